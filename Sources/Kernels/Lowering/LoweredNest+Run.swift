import CKernels

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
    if let winograd {
      return winograd.run(into: destination, p, q, workspace: workspace, adding: adding)
    }
    if let blocked {
      return blocked.run(into: destination, p, q, workspace: workspace, adding: adding)
    }
    func source(_ given: UnsafePointer<Element>, _ pack: Pack?) -> UnsafePointer<Element> {
      guard let pack else { return given }
      Element.permute(
        extents: pack.extents, to: workspace + pack.offset, pack.packedStrides, from: given,
        pack.givenStrides)
      return UnsafePointer(workspace + pack.offset)
    }
    let d = packs[0].map { workspace + $0.offset } ?? destination
    // A destination in the workspace is made anew, and added to the given one when it is unpacked.
    let overwriting = overwrites && !(adding && packs[0] == nil)
    if isEmpty || !overwrites, !adding || packs[0] != nil {
      d.fillWithZeros(count: destinationCount)
    }
    if !isEmpty {
      walk(
        0, d, source(p, packs[1]), source(q, packs[2]), length: nil, beta: overwriting ? 0 : 1)
    }
    if let pack = packs[0] {
      let unpack = adding ? Element.add : Element.permute
      unpack(
        pack.extents, destination, pack.givenStrides, UnsafePointer(d), pack.packedStrides)
    }
  }

  private func walk<Element: TensorElement>(
    _ depth: Int, _ d: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, length: Int?, beta: Element
  ) {
    guard depth < levels.count else { return call(d, p, q, length: length, beta: beta) }
    func inner(_ offset: Strides, _ length: Int?) {
      walk(depth + 1, d + offset[0], p + offset[1], q + offset[2], length: length, beta: beta)
    }
    switch levels[depth] {
    case .strided(let count, let strides):
      for index in 0..<count { inner(strides &* index, length) }
    case .listed(let offsets):
      for offset in offsets { inner(offset, length) }
    case .clipped(let entries):
      for entry in entries { inner(entry.offset, entry.length) }
    }
  }

  private func call<Element: TensorElement>(
    _ d: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>, _ q: UnsafePointer<Element>,
    length: Int?, beta: Element
  ) {
    func extent(_ planned: Int, _ this: InnerKernel.Variable) -> Int {
      variable == this ? length ?? planned : planned
    }
    switch kernel {
    case .gemm(let gemm):
      Element.gemm(
        m: extent(gemm.m, .m), n: extent(gemm.n, .n), k: extent(gemm.k, .k),
        gemm.exchanged ? q : p, pTransposed: gemm.pTransposed, pLeading: gemm.leading[1],
        gemm.exchanged ? p : q, qTransposed: gemm.qTransposed, qLeading: gemm.leading[2],
        beta: beta, d, dLeading: gemm.leading[0])
    case .multiplyAdd(let outer, let inner, let outerStrides, let innerStrides):
      func strides(_ tensor: Int) -> ConvoyStrides {
        ConvoyStrides(outer: outerStrides[tensor], inner: innerStrides[tensor])
      }
      Element.multiplyAdd(
        outer: extent(outer, .outer), inner: extent(inner, .inner), d, strides(0), p, strides(1),
        q, strides(2))
    }
  }
}
