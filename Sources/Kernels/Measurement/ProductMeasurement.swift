import CKernels

/// How fast each kernel runs one matrix product, c (m × n) = a (m × k) · b (k × n), all row-major, on
/// one thread; which of them `LoweredNest` chooses, and how long that was estimated to take and took.
///
/// ```swift
/// let product = ProductMeasurement(of: Float.self, m: 64, n: 64, k: 64, seconds: 0.2)
/// print(product.flopsPerSecond[.openblas] ?? 0, product.chosen, product.estimatedSeconds)
/// ```
///
/// Everything is repeated on the same tensors: small products have theirs in cache.
public struct ProductMeasurement: Sendable {
  public enum Kernel: String, CaseIterable, CodingKeyRepresentable, Codable, Sendable {
    /// The first call of the batch-reduce kernel in `blocked`, again and again: what its shape and
    /// strides allow where no other call takes the cache.
    case batchReduce
    /// The whole product in blocks, with copies of the sources where it has any.
    case blocked
    /// Dot products, where both sources are contiguous along k, as with one column.
    case dot
    case openblas
    /// Strided multiply-add loops.
    case loops
  }

  /// Operations per second, a multiply-add counting as two, of the kernels that can run this product:
  /// multiply-add loops only up to `mostLoopProducts`, blocks only where it has lanes, dot products only
  /// where the sources allow them.
  public let flopsPerSecond: [Kernel: Double]
  /// What `LoweredNest` takes in the context.
  public let chosen: Kernel
  public let estimatedSeconds: Double
  /// What it took.
  public let seconds: Double

  /// Multiply-adds of a product that are still worth looping over.
  public static let mostLoopProducts = 1 << 24

  /// - Parameters:
  ///   - m: at most 2³¹ − 1, as are n and k: OpenBLAS counts in 32 bits.
  ///   - seconds: to spend, at least.
  public init<Element: TensorElement>(
    of type: Element.Type, m: Int, n: Int, k: Int, seconds: Double,
    context: Context = .process
  ) {
    BLAS.useOneThread()
    let nest = ContractionNest(rows: m, columns: n, depth: k)
    let taken = LoweredNest(nest, writing: .result, context: context)
    let roles = [ContractionNest.Role.result, .first, .second]
    let blocked = BlockedNest(nest, roles: roles, context: context)
    let dot = DotNest(nest, roles: roles, context: context)
    let isSmall = Double(m) * Double(n) * Double(k) <= Double(Self.mostLoopProducts)
    let portable = Context(path: .reference, instructions: context.instructions)
    let loops = isSmall ? LoweredNest(nest, writing: .result, context: portable) : nil
    let p = PeakRates.filled(type, count: m * k)
    let q = PeakRates.filled(type, count: k * n)
    var d = Tensor<Element>(shape: [m, n])
    let scratch = [
      taken.workspaceCount, blocked?.workspaceCount ?? 0, dot?.workspaceCount ?? 0,
      loops?.workspaceCount ?? 0,
    ]
    var workspace = PeakRates.filled(type, count: scratch.max() ?? 0)
    let firstCall = blocked.map { FirstCall<Element>($0) }

    var kernels: [Kernel?] = [nil]
    var times: [Double] = []
    p.withPointer { p in
      q.withPointer { q in
        d.withMutablePointer { d in
          workspace.withMutablePointer { workspace in
            var bodies: [() -> Void] = [{ taken.run(into: d, p, q, workspace: workspace) }]
            func add(_ kernel: Kernel, _ body: @escaping () -> Void) {
              kernels.append(kernel)
              bodies.append(body)
            }
            add(.openblas) {
              Element.gemm(
                m: m, n: n, k: k, p, pTransposed: false, pLeading: k, q, qTransposed: false,
                qLeading: n, beta: 0, d, dLeading: n)
            }
            if let blocked {
              add(.blocked) {
                blocked.run(into: d, p, q, workspace: workspace, adding: false)
              }
            }
            if let dot {
              add(.dot) { dot.run(into: d, p, q, workspace: workspace, adding: false) }
            }
            if let firstCall { add(.batchReduce) { firstCall.run() } }
            if let loops {
              add(.loops) { loops.run(into: d, p, q, workspace: workspace) }
            }
            times = CallTimer.leastSeconds(bodies, within: seconds)
          }
        }
      }
    }
    var rates: [Kernel: Double] = [:]
    for (kernel, time) in zip(kernels, times) {
      guard let kernel else { continue }
      let macs =
        kernel == .batchReduce
        ? firstCall?.macs ?? 0 : Double(m) * Double(n) * Double(k)
      rates[kernel] = 2 * macs / max(time, 1e-12)
    }
    flopsPerSecond = rates
    chosen =
      taken.blocked != nil
      ? .blocked
      : taken.dot != nil ? .dot : taken.strided?.kernel.isGEMM == true ? .openblas : .loops
    estimatedSeconds = taken.nanoseconds * 1e-9
    self.seconds = times[0]
  }
}

/// The first call that a product in blocks makes, on memory of its own, ready to be repeated.
private final class FirstCall<Element: TensorElement> {
  private let shape: ConvoyBatchReduce
  private let aOffsets: UnsafeMutablePointer<Int>
  private let bOffsets: UnsafeMutablePointer<Int>
  private let a: UnsafeMutablePointer<Element>
  private let b: UnsafeMutablePointer<Element>
  private let c: UnsafeMutablePointer<Element>

  init(_ nest: BlockedNest) {
    let count = nest.listPerTile * (nest.isTileSummed ? min(nest.tileCount, nest.tileExtent) : 1)
    let (depth, columns) = (nest.depth, nest.columns)
    func copied(_ offsets: [Int]) -> UnsafeMutablePointer<Int> {
      let copy = UnsafeMutablePointer<Int>.allocate(capacity: count)
      copy.initialize(from: offsets, count: count)
      return copy
    }
    /// A product's strides are never negative.
    func elements(_ offsets: [Int], _ step: Int, _ last: Int) -> UnsafeMutablePointer<Element> {
      let reach = (offsets.prefix(count).max() ?? 0) + (depth.count - 1) * step + last
      // At a cache line, as tensors begin.
      let elements = UnsafeMutableRawPointer.allocate(
        byteCount: reach * MemoryLayout<Element>.stride, alignment: 64
      ).bindMemory(to: Element.self, capacity: reach)
      elements.initialize(repeating: PeakRates.element(), count: reach)
      return elements
    }
    aOffsets = copied(nest.aOffsets)
    bOffsets = copied(nest.bOffsets)
    a = elements(nest.aOffsets, depth.a, BlockedNest.lanes)
    b = elements(nest.bOffsets, depth.b, (columns.count - 1) * columns.b + 1)
    c = elements([0], 0, (columns.count - 1) * columns.d + BlockedNest.lanes)
    shape = ConvoyBatchReduce(
      level: nest.context.level, lanes: min(BlockedNest.lanes, nest.laneExtent),
      columns: columns.count, depth: depth.count,
      count: count, a_offsets: aOffsets, b_offsets: bOffsets, a_k: depth.a, b_k: depth.b,
      b_j: columns.b, c_j: columns.d, run: nest.sums.run, low: 0, adding: 0, repeats: 1, a_r: 0,
      b_r: 0, c_r: 0)
  }

  deinit {
    aOffsets.deallocate()
    bOffsets.deallocate()
    for elements in [a, b, c] { elements.deallocate() }
  }

  var macs: Double {
    Double(shape.lanes) * Double(shape.columns) * Double(shape.depth) * Double(shape.count)
  }

  func run() { Element.batchReduce(shape, a, b, c) }
}
