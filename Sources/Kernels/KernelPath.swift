/// Which kernels nests may be lowered to. Each path is right for every nest by itself, so that one
/// can be checked against another, and a fault be laid to a library or ruled out of it.
///
/// A process takes what the environment sets:
///
///     CONVOY_KERNELS=reference convoy contract …
///
/// ```swift
/// let kernel = LoweredNest(nest, writing: .result, context: Context(path: .openblas))
/// ```
public enum KernelPath: String, CaseIterable, Hashable, Sendable {
  /// All kernels; which one is chosen by estimate.
  case fast
  /// All but minimal filtering (Winograd): every product of the definition is formed, and rounded, as it
  /// stands there.
  case direct
  /// OpenBLAS and strided multiply-add loops, but no matrix product of our own.
  case openblas
  /// Strided multiply-add loops alone: portable C that needs no library and no instruction set.
  case reference

  /// Whether the batch-reduce kernel and the other products of our own may run.
  var hasOwnProducts: Bool { self == .fast || self == .direct }

  /// Its value is one of the names above; unset or empty, the path is `fast`.
  public static let environmentVariable = "CONVOY_KERNELS"

  /// The path that an environment asks for.
  ///
  /// ```swift
  /// try KernelPath(environment: ["CONVOY_KERNELS": "openblas"])  // .openblas
  /// ```
  ///
  /// - Throws: `KernelEnvironmentError.unknown`.
  public init(environment: [String: String]) throws(KernelEnvironmentError) {
    self = try Self.named(by: Self.environmentVariable, in: environment) ?? .fast
  }
}
