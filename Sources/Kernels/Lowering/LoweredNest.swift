/// A contraction nest made ready to run: the kernel chosen, loops ordered, offsets computed.
///
/// This is the one interface between the executor and the machine: lower once, run many times.
/// Lowering depends on the nest and on which tensor is written, never on the elements; everything
/// that costs thought happens here, so that `run` only walks offsets and calls the kernel.
///
/// ```swift
/// let matmul = ContractionNest(
///   loops: [m, n, k], first: [.init(terms: [.init(loop: 0)], extent: m), …], …)
/// let kernel = LoweredNest(matmul, writing: .result)
/// kernel.run(into: c, a, b, workspace: scratch)
/// ```
public struct LoweredNest: Sendable {
  /// The ways to run a nest.
  enum Way: Sendable {
    case strided(LoweredStridedNest)
    case blocked(BlockedNest)
    case dot(DotNest)
    case winograd(WinogradNest)
  }

  let way: Way
  /// Elements of the tensor that is written.
  public let destinationCount: Int
  /// What is lowered, and for what: once more, where sources are not finite and padding must not meet them.
  let nest: ContractionNest
  let roles: [ContractionNest.Role]
  let context: Context

  /// Scratch elements that `run` needs.
  public var workspaceCount: Int {
    switch way {
    case .strided(let nest): nest.workspaceCount
    case .blocked(let nest): nest.workspaceCount
    case .dot(let nest): nest.workspaceCount
    case .winograd(let nest): nest.workspaceCount
    }
  }

  /// Estimated time of a run.
  public var nanoseconds: Double {
    switch way {
    case .strided(let nest): nest.nanoseconds
    case .blocked(let nest): nest.nanoseconds
    case .dot(let nest): nest.nanoseconds
    case .winograd(let nest): nest.nanoseconds
    }
  }

  /// The way with the least estimate of those that the path allows.
  ///
  /// - Parameters:
  ///   - nest: no dimension is indexed by more than two loops.
  ///   - written: the tensor that is computed from the other two.
  ///   - context: which kernels may be chosen, and the instructions they run with.
  public init(
    _ nest: ContractionNest, writing written: ContractionNest.Role, context: Context = .process
  ) {
    let roles = [written, written.sources.0, written.sources.1]
    (self.nest, self.roles, self.context) = (nest, roles, context)
    destinationCount = nest.count(written)
    let path = context.path
    let strided = LoweredStridedNest(nest, roles: roles, context: context)
    var best = (way: Way.strided(strided), nanoseconds: strided.nanoseconds)
    if path.hasOwnProducts, let blocked = BlockedNest(nest, roles: roles, context: context),
      blocked.nanoseconds < best.nanoseconds
    {
      best = (.blocked(blocked), blocked.nanoseconds)
    }
    if path.hasOwnProducts, let dot = DotNest(nest, roles: roles, context: context),
      dot.nanoseconds < best.nanoseconds
    {
      best = (.dot(dot), dot.nanoseconds)
    }
    if path == .fast, let winograd = WinogradNest(nest, roles: roles, context: context),
      winograd.nanoseconds < best.nanoseconds
    {
      best = (.winograd(winograd), winograd.nanoseconds)
    }
    way = best.way
  }

  /// Run in a way that need not be the fastest.
  init(
    _ nest: ContractionNest, writing written: ContractionNest.Role, context: Context, way: Way
  ) {
    self.nest = nest
    self.context = context
    self.way = way
    roles = [written, written.sources.0, written.sources.1]
    destinationCount = nest.count(written)
  }

  var blocked: BlockedNest? { if case .blocked(let nest) = way { nest } else { nil } }
  var dot: DotNest? { if case .dot(let nest) = way { nest } else { nil } }
  var winograd: WinogradNest? { if case .winograd(let nest) = way { nest } else { nil } }
  var strided: LoweredStridedNest? { if case .strided(let nest) = way { nest } else { nil } }
}
