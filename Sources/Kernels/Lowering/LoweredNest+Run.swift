extension LoweredNest {
  /// Computes the destination from the two sources; what it held before is overwritten, or added
  /// to.
  ///
  /// What is not finite in a source stays exactly where the definition puts it: an index outside a tensor
  /// contributes no term.
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
      // Zeros around a copy are no terms, but times what is not finite they are NaN. That is looked for in what is
      // smaller, the source that meets them or the result.
      let isPadded = (nest.isPadded[0], nest.isPadded[1])
      let checksFirst = adding || meetingCount(isPadded) <= destinationCount
      if checksFirst, !areFinite(isPadded, p, q) {
        return runInPlace(into: destination, p, q, adding: adding)
      }
      nest.run(into: destination, p, q, workspace: workspace, adding: adding)
      if !checksFirst, !isFinite(destination, destinationCount), !areFinite(isPadded, p, q) {
        runInPlace(into: destination, p, q, adding: false)
      }
    case .dot(let nest):
      nest.run(into: destination, p, q, workspace: workspace, adding: adding)
    case .winograd(let nest):
      if !nest.run(into: destination, p, q, workspace: workspace, adding: adding) {
        runInPlace(into: destination, p, q, adding: adding)
      }
    }
  }

  /// Elements of the sources that meet the padding of the other.
  private func meetingCount(_ isPadded: (Bool, Bool)) -> Int {
    (isPadded.0 ? nest.count(roles[2]) : 0) + (isPadded.1 ? nest.count(roles[1]) : 0)
  }

  /// Whether the sources that meet the padding of the other are finite.
  private func areFinite<Element: TensorElement>(
    _ isPadded: (Bool, Bool), _ p: UnsafePointer<Element>, _ q: UnsafePointer<Element>
  ) -> Bool {
    (!isPadded.0 || isFinite(q, nest.count(roles[2])))
      && (!isPadded.1 || isFinite(p, nest.count(roles[1])))
  }

  private func isFinite<Element: TensorElement>(
    _ start: UnsafePointer<Element>, _ count: Int
  ) -> Bool {
    Element.exponent(of: Element.largestMagnitude(start, count: count)) < Element.infiniteExponent
  }

  /// By loops over the tensors as they lie, which meet no index outside of them.
  private func runInPlace<Element: TensorElement>(
    into destination: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, adding: Bool
  ) {
    let loops = LoweredStridedNest(nest, roles: roles, context: context, inPlace: true)
    // Of long sums only; nobody plans for what is not finite.
    let workspace = UnsafeMutablePointer<Element>.allocate(capacity: loops.workspaceCount)
    defer { workspace.deallocate() }
    loops.run(into: destination, p, q, workspace: workspace, adding: adding)
  }
}
