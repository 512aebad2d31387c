/// Why an environment names no `KernelPath`, or no `InstructionSet`.
///
/// ```swift
/// do { _ = try KernelPath(environment: ["CONVOY_KERNELS": "mkl"]) } catch { print(error) }
/// // CONVOY_KERNELS is 'mkl'; expected fast, direct, openblas or reference
/// ```
public enum KernelEnvironmentError: Error, Hashable, Sendable {
  /// A variable's value is none of the names that it takes.
  case unknown(variable: String, value: String, expected: [String])
}

extension KernelEnvironmentError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unknown(let variable, let value, let expected):
      "\(variable) is '\(value)'; expected "
        + expected.dropLast().joined(separator: ", ") + " or \(expected.last ?? "nothing")"
    }
  }
}

extension CaseIterable where Self: RawRepresentable<String> {
  /// The case that a variable names; `nil` where it is unset or empty.
  static func named(
    by variable: String, in environment: [String: String]
  ) throws(KernelEnvironmentError) -> Self? {
    guard let value = environment[variable], !value.isEmpty else { return nil }
    guard let named = Self(rawValue: value) else {
      throw .unknown(variable: variable, value: value, expected: allCases.map(\.rawValue))
    }
    return named
  }
}
