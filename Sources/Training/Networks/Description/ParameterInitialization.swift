/// How the elements of a parameter or of a state are first drawn, independently of each other.
///
/// ```swift
/// ParameterInitialization.normal(standardDeviation: 0.02).variance  // 0.0004
/// ```
public enum ParameterInitialization: Hashable, Sendable {
  /// With mean 0.
  case normal(standardDeviation: Double)
  /// Within ±`bound`.
  case uniform(bound: Double)
  /// All equal.
  case constant(Double)

  public var variance: Double {
    switch self {
    case .normal(let deviation): deviation * deviation
    case .uniform(let bound): bound * bound / 3
    case .constant: 0
    }
  }
}
