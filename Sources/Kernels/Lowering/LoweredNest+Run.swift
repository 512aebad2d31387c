extension LoweredNest {
  /// Computes the destination from the two sources; what it held before is overwritten, or added
  /// to.
  ///
  /// - Parameters:
  ///   - destination: `destinationCount` elements, overlapping none of the others.
  ///   - p: the first source of the role that is written (`ContractionNest.Role.sources`).
  ///   - q: the second.
  ///   - workspace: `workspaceCount` elements.
  ///   - adding: whether to add to what the destination holds.
  // Other modules call this with a type that is known there only: without the two versions made here,
  // every step of every loop below would ask the type for its size.
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  public func run<Element: TensorElement>(
    into destination: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, workspace: UnsafeMutablePointer<Element>,
    adding: Bool = false
  ) {
    switch way {
    case .strided(let nest):
      nest.run(into: destination, p, q, workspace: workspace, adding: adding)
    case .blocked(let nest):
      nest.run(into: destination, p, q, workspace: workspace, adding: adding)
    case .dot(let nest):
      nest.run(into: destination, p, q, adding: adding)
    case .winograd(let nest):
      nest.run(into: destination, p, q, workspace: workspace, adding: adding)
    }
  }
}
