import Kernels
import Synchronization

/// How long every step of a contraction took, run after run: where its time goes.
///
/// ```swift
/// let timer = StepTimer()
/// let contraction = try Contraction<Float>(plan, timer: timer)
/// _ = try contraction(operands)
/// for (kernel, seconds) in timer.kernels {
///   print(kernel.step, kernel.role, contraction.lowered(kernel).summary, seconds)
/// }
/// ```
public final class StepTimer: Sendable {
  /// One kernel of a plan: a step, and what it computes of it.
  public struct Kernel: Hashable, Sendable {
    /// The number of the step in the plan.
    public let step: Int
    /// Its result, or the gradient of its first or second operand.
    public let role: ContractionNest.Role
  }

  private let times = Mutex<[Kernel: [Double]]>([:])

  public init() {}

  /// What has run, forward in the order of the steps, then backward against it, and its least time: whatever
  /// else a machine does only ever makes it longer, and estimates know nothing of that.
  public var kernels: [(kernel: Kernel, leastSeconds: Double)] {
    times.withLock { times in
      times.sorted { Self.position($0.key) < Self.position($1.key) }.map { kernel, times in
        (kernel, times.min() ?? 0)
      }
    }
  }

  private static func position(_ kernel: Kernel) -> (Int, Int, Int) {
    kernel.role == .result
      ? (0, kernel.step, 0) : (1, -kernel.step, kernel.role == .first ? 0 : 1)
  }

  func measured(_ timeline: ProgramTimeline) {
    times.withLock { times in
      for event in timeline.events {
        guard let role = event.role else { continue }
        times[Kernel(step: event.name, role: role), default: []].append(event.duration)
      }
    }
  }
}
