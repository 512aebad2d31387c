extension Communicator {
  public func barrier() throws {
    try agree(on: CollectiveCall(.barrier))
  }

  /// A binomial tree. Example, P = 6, root 0: 0→1; 0→2, 1→3; 0→4, 1→5.
  public func broadcast(_ buffer: UnsafeMutableRawBufferPointer, root: Int) throws {
    try agree(on: CollectiveCall(.broadcast, count: buffer.count, root: root))
    guard (0..<size).contains(root) else {
      throw CollectiveError.rootOutOfRange(root: root, size: size)
    }
    guard !buffer.isEmpty else { return }
    // Ranks are counted from the root; in the round of `reach`, the first `reach` ranks have the
    // bytes, and each sends them on to the rank `reach` further.
    let place = (rank - root + size) % size
    var reach = 1
    while reach < size {
      if place < reach, place + reach < size {
        let destination = (place + reach + root) % size
        let bytes = UnsafeRawBufferPointer(buffer)
        try exchange(sending: [OutgoingMessage(to: destination, bytes: bytes)], receiving: [])
      } else if place >= reach, place < 2 * reach {
        let source = (place - reach + root) % size
        try exchange(sending: [], receiving: [IncomingMessage(from: source, bytes: buffer)])
      }
      reach *= 2
    }
  }

  public func allGather(
    _ part: UnsafeRawBufferPointer, counts: [Int], into whole: UnsafeMutableRawBufferPointer
  ) throws {
    try agree(
      on: CollectiveCall(
        .allGather, element: .byte, count: whole.count, counts: counts, part: part.count,
        rank: rank))
    try checkParts(.allGather, counts: counts, part: part.count, whole: whole.count)
    try gatherParts(part, counts: counts, into: whole)
  }

  /// Every rank sends its part to every other, straight to its place.
  func gatherParts(
    _ part: UnsafeRawBufferPointer, counts: [Int], into whole: UnsafeMutableRawBufferPointer
  ) throws {
    let starts = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let place = { (owner: Int) in
      UnsafeMutableRawBufferPointer(rebasing: whole[starts[owner]..<starts[owner + 1]])
    }
    if !part.isEmpty, UnsafeRawPointer(place(rank).baseAddress) != part.baseAddress {
      place(rank).copyMemory(from: part)
    }
    // Each rank begins with its neighbours, so that no rank is everybody's first.
    let others = (1..<max(1, size))
    try exchange(
      sending: part.isEmpty
        ? [] : others.map { OutgoingMessage(to: (rank + $0) % size, bytes: part) },
      receiving: others.map { (rank - $0 + size) % size }.filter { counts[$0] > 0 }.map {
        IncomingMessage(from: $0, bytes: place($0))
      })
  }

  /// The same on every rank, once they agreed on the call.
  func checkParts(
    _ operation: CollectiveCall.Operation, counts: [Int], part: Int, whole: Int
  ) throws {
    guard counts.count == size else {
      throw CollectiveError.countsPerRank(operation, expected: size, found: counts.count)
    }
    if let negative = counts.firstIndex(where: { $0 < 0 }) {
      throw CollectiveError.negativeCount(operation, rank: negative, count: counts[negative])
    }
    guard part == counts[rank] else {
      throw CollectiveError.partLength(operation, expected: counts[rank], found: part)
    }
    let total = counts.reduce(0, +)
    guard whole == total else {
      throw CollectiveError.wholeLength(operation, expected: total, found: whole)
    }
  }
}
