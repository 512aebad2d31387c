import CKernels

/// The instruction set that the kernels compiled by hand for several of them run with, which also decides what the
/// estimates of their times know (`KernelTimes`): the widest that the processor has, or a lesser one that the
/// environment asks for:
///
///     CONVOY_INSTRUCTIONS=avx2 convoy contract …
///
/// ```swift
/// print(InstructionSet.widest)  // avx2
/// ```
public enum InstructionSet: String, CaseIterable, Hashable, Sendable {
  /// x86-64-v4, vectors of 64 bytes.
  case avx512
  /// x86-64-v3, vectors of 32 bytes.
  case avx2
  /// What the compiler may assume of every processor.
  case any

  /// Its value is one of the names above; unset or empty, the set is the processor's.
  public static let environmentVariable = "CONVOY_INSTRUCTIONS"

  /// The widest that this processor has.
  public static let widest: InstructionSet =
    switch convoy_widest_instructions() {
    case convoy_avx512_instructions: .avx512
    case convoy_avx2_instructions: .avx2
    default: .any
    }

  /// Those that this processor has, the widest first.
  public static let available: [InstructionSet] = allCases.filter {
    $0.level.rawValue <= widest.level.rawValue
  }

  /// As the kernels in C name it.
  var level: ConvoyInstructionLevel {
    switch self {
    case .avx512: convoy_avx512_instructions
    case .avx2: convoy_avx2_instructions
    case .any: convoy_any_instructions
    }
  }

  /// The most that an environment permits; `nil` where it sets no limit.
  ///
  /// ```swift
  /// try InstructionSet.limit(in: ["CONVOY_INSTRUCTIONS": "avx2"])  // .avx2
  /// ```
  ///
  /// - Throws: `KernelEnvironmentError.unknown`.
  public static func limit(
    in environment: [String: String]
  ) throws(KernelEnvironmentError) -> InstructionSet? {
    try named(by: environmentVariable, in: environment)
  }
}
