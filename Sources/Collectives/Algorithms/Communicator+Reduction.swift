/// Bytes of workspace that a reduction takes at most, whatever its length; at least one element
/// per rank. Small enough to stay in a shared cache while the terms are added.
private let reductionWorkspace = 8 << 20

extension Communicator {
  public func allReduce(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
    try allReduceElements(buffer)
  }

  public func allReduce(_ buffer: UnsafeMutableBufferPointer<Double>) throws {
    try allReduceElements(buffer)
  }

  public func reduceScatter(
    _ whole: UnsafeBufferPointer<Float>, counts: [Int], into part: UnsafeMutableBufferPointer<Float>
  ) throws {
    try reduceScatterElements(whole, counts: counts, into: part)
  }

  public func reduceScatter(
    _ whole: UnsafeBufferPointer<Double>, counts: [Int],
    into part: UnsafeMutableBufferPointer<Double>
  ) throws {
    try reduceScatterElements(whole, counts: counts, into: part)
  }

  private func reduceScatterElements<Element: ReducibleElement>(
    _ whole: UnsafeBufferPointer<Element>, counts: [Int],
    into part: UnsafeMutableBufferPointer<Element>
  ) throws {
    try agree(
      on: CollectiveCall(
        .reduceScatter, element: Element.element, count: whole.count, counts: counts,
        part: part.count, rank: rank))
    try checkParts(.reduceScatter, counts: counts, part: part.count, whole: whole.count)
    try sumParts(of: whole, counts: counts, into: part)
  }

  /// Example, P = 3, buffers of 4 elements, parts of 1, 1 and 2:
  ///
  ///     rank 0  a0 a1 a2 a3      a0+b0+c0  a1 a2 a3             every rank:
  ///     rank 1  b0 b1 b2 b3  →   b0  a1+b1+c1  b2 b3        →   the three
  ///     rank 2  c0 c1 c2 c3      c0 c1  a2+b2+c2  a3+b3+c3      summed parts
  private func allReduceElements<Element: ReducibleElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>
  ) throws {
    try agree(on: CollectiveCall(.allReduce, element: Element.element, count: buffer.count))
    guard size > 1 else { return }
    let counts = Traffic.evenCounts(of: buffer.count, parts: size)
    let start = counts[..<rank].reduce(0, +)
    let own = UnsafeMutableBufferPointer(rebasing: buffer[start..<start + counts[rank]])
    try sumParts(of: UnsafeBufferPointer(buffer), counts: counts, into: own)
    let stride = MemoryLayout<Element>.stride
    try gatherParts(
      UnsafeRawBufferPointer(own), counts: counts.map { $0 * stride },
      into: UnsafeMutableRawBufferPointer(buffer))
  }

  /// Each rank receives its own part of every other rank's buffer, a block at a time, and adds the
  /// terms pairwise in the order of ranks, ((x₀ + x₁) + (x₂ + x₃)) + x₄: so what is rounded off grows with the
  /// logarithm of their number.
  private func sumParts<Element: ReducibleElement>(
    of whole: UnsafeBufferPointer<Element>, counts: [Int],
    into part: UnsafeMutableBufferPointer<Element>
  ) throws {
    let starts = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let stride = MemoryLayout<Element>.stride
    let longest = counts.max() ?? 0
    let blockLength = min(longest, max(1, reductionWorkspace / stride / size))
    let workspace = UnsafeMutableBufferPointer<Element>.allocate(capacity: blockLength * size)
    defer { workspace.deallocate() }

    for offset in Swift.stride(from: 0, to: longest, by: max(1, blockLength)) {
      /// What round `offset` moves of a rank's part, as a range of the whole.
      func block(of owner: Int) -> Range<Int> {
        let lower = starts[owner] + min(offset, counts[owner])
        return lower..<min(lower + blockLength, starts[owner + 1])
      }
      let mine = block(of: rank)
      let others = (0..<size).filter { $0 != rank }
      let slot = { (source: Int) in
        UnsafeMutableBufferPointer(
          rebasing: workspace[source * blockLength..<source * blockLength + mine.count])
      }
      try exchange(
        sending: others.filter { !block(of: $0).isEmpty }.map {
          let bytes = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: whole[block(of: $0)]))
          return OutgoingMessage(to: $0, bytes: bytes)
        },
        receiving: mine.isEmpty
          ? []
          : others.map {
            IncomingMessage(from: $0, bytes: UnsafeMutableRawBufferPointer(slot($0)))
          })
      guard !mine.isEmpty, let own = UnsafeBufferPointer(rebasing: whole[mine]).baseAddress,
        let result = part.baseAddress?.advanced(by: offset),
        let slots = workspace.baseAddress
      else { continue }
      (slots + rank * blockLength).update(from: own, count: mine.count)
      var width = 1
      while width < size {
        for source in Swift.stride(from: width, to: size, by: 2 * width) {
          Element.add(
            UnsafePointer(slots + source * blockLength),
            to: slots + (source - width) * blockLength, count: mine.count)
        }
        width *= 2
      }
      result.update(from: slots, count: mine.count)
    }
  }
}
