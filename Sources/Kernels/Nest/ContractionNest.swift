/// One pairwise step without labels: three tensors and the loops that tie their indices together.
///
/// The nest stands for the trilinear form
///
///     T = Σ_loops first[f(loops)] · second[g(loops)] · result[h(loops)]
///
/// in which each dimension of each tensor is indexed by an affine function of the loop indices. The
/// step itself adds first·second into the result over all loops; its two adjoints add
/// result·second into the first, and result·first into the second, over the *same* loops. So one
/// nest, written into any one of its three tensors, is the step and its gradients, with stride,
/// dilation, padding and wrap-around included.
///
/// ```swift
/// // y[i] = Σ_k x[2·i + k − 1] · w[k], x of extent 8 and 0 outside: loops i (4) and k (3)
/// let nest = ContractionNest(
///   loops: [4, 3],
///   first: [.init(terms: [.init(loop: 0, coefficient: 2), .init(loop: 1)], offset: -1, extent: 8)],
///   second: [.init(terms: [.init(loop: 1)], extent: 3)],
///   result: [.init(terms: [.init(loop: 0)], extent: 4)])
/// ```
public struct ContractionNest: Hashable, Sendable {
  /// `coefficient · index of loop`.
  public struct Term: Hashable, Sendable {
    public let loop: Int
    public let coefficient: Int

    public init(loop: Int, coefficient: Int = 1) {
      self.loop = loop
      self.coefficient = coefficient
    }
  }

  /// How one dimension is indexed: `Σ terms + offset`, which lies in 0 ..< extent; where it does
  /// not, the element counts as 0, or the index is taken modulo the extent if `circular`.
  public struct Dimension: Hashable, Sendable {
    public let terms: [Term]
    public let offset: Int
    public let extent: Int
    public let circular: Bool

    public init(terms: [Term], offset: Int = 0, extent: Int, circular: Bool = false) {
      self.terms = terms
      self.offset = offset
      self.extent = extent
      self.circular = circular
    }
  }

  /// The tensor of the form that is written; the other two are read.
  public enum Role: Int, Hashable, Sendable, CaseIterable {
    case first, second, result

    /// The two that are read, in the order they are given to the kernel.
    public var sources: (Role, Role) {
      switch self {
      case .result: (.first, .second)
      case .first: (.result, .second)
      case .second: (.first, .result)
      }
    }
  }

  /// The extent of every loop.
  public let loops: [Int]
  /// The dimensions of the three tensors, row-major, by `Role.rawValue`.
  public let tensors: [[Dimension]]

  public init(loops: [Int], first: [Dimension], second: [Dimension], result: [Dimension]) {
    self.loops = loops
    tensors = [first, second, result]
  }

  /// A matrix product: result (rows × columns) = first (rows × depth) · second (depth × columns).
  ///
  /// ```swift
  /// let kernel = LoweredNest(ContractionNest(rows: 64, columns: 48, depth: 32), writing: .result)
  /// ```
  public init(rows: Int, columns: Int, depth: Int) {
    func dimensions(_ loops: [(loop: Int, extent: Int)]) -> [Dimension] {
      loops.map { Dimension(terms: [Term(loop: $0.loop)], extent: $0.extent) }
    }
    self.init(
      loops: [rows, columns, depth], first: dimensions([(0, rows), (2, depth)]),
      second: dimensions([(2, depth), (1, columns)]),
      result: dimensions([(0, rows), (1, columns)]))
  }

  public subscript(role: Role) -> [Dimension] { tensors[role.rawValue] }

  /// Number of elements of one of the tensors.
  public func count(_ role: Role) -> Int { self[role].reduce(1) { $0 * $1.extent } }
}
