/// How the order of contraction is searched.
///
/// ```swift
/// let optimizer = Optimizer(rawValue: "left-to-right")  // .leftToRight
/// Optimizer.allCases.map(\.rawValue)  // ["auto", "optimal", "greedy", "left-to-right"]
/// ```
public enum Optimizer: String, CaseIterable, Codable, Sendable {
  /// `optimal` where a limited amount of work proves the optimum, else the better of `greedy` and
  /// `left-to-right`.
  case auto
  /// The least cost of all binary trees, outer products included: the search of Pfeifer, Haegeman
  /// and Verstraete (arXiv 1304.6112), over subsets of growing size under a rising cap on the cost.
  case optimal
  /// The pair that saves most memory first, in many seeded random restarts, the best one improved
  /// by exact search on small subtrees.
  case greedy
  /// `((0, 1), 2), …`: the naive baseline.
  case leftToRight = "left-to-right"
}
