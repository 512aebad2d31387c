import CKernels
import Foundation

/// What computes: the kernels that nests may be lowered to, and the instructions that those run with.
///
/// It is passed down to whatever lowers, estimates or runs. A process has one of its own, which its
/// environment sets (`process`); others may stand beside it, as a test compares one with another:
///
/// ```swift
/// let portable = Context(path: .reference, instructions: .any)
/// let same = try Contraction<Float>(plan, context: portable)(operands)
/// ```
///
/// Results of different contexts differ by rounding, and so do workspaces, and with them a plan's peak
/// bytes, which are exact in each: all ranks of a job have to have equal ones.
public struct Context: Hashable, Sendable {
  public let path: KernelPath
  public let instructions: InstructionSet
  /// What is known of nests' times in this context.
  let nestTimes = NestTimes()

  /// - Parameter instructions: those that the processor lacks give way to the widest that it has.
  public init(path: KernelPath = .fast, instructions: InstructionSet = .widest) {
    self.path = path
    self.instructions = InstructionSet.available.contains(instructions) ? instructions : .widest
  }

  /// The context that an environment asks for, by `CONVOY_KERNELS` and `CONVOY_INSTRUCTIONS`.
  ///
  /// ```swift
  /// try Context(environment: ["CONVOY_KERNELS": "openblas"]).path  // .openblas
  /// ```
  ///
  /// - Throws: `KernelEnvironmentError.unknown`.
  public init(environment: [String: String]) throws(KernelEnvironmentError) {
    self.init(
      path: try KernelPath(environment: environment),
      instructions: try InstructionSet.limit(in: environment) ?? .widest)
  }

  /// This process's, read from its environment once. A name that there is not counts as unset; who can
  /// tell the user about it asks `init(environment:)`, as the command does.
  ///
  /// ```swift
  /// print(Context.process.path)  // fast
  /// ```
  public static let process =
    (try? Context(environment: ProcessInfo.processInfo.environment)) ?? Context()

  public static func == (first: Context, second: Context) -> Bool {
    first.path == second.path && first.instructions == second.instructions
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(path)
    hasher.combine(instructions)
  }

  /// What the estimates know of the processor.
  var times: KernelTimes { instructions == .avx512 ? .avx512 : .avx2 }
  /// As the kernels in C name it.
  var level: ConvoyInstructionLevel { instructions.level }
}
