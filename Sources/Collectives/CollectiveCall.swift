/// What one rank calls, for the ranks to compare before anything is sent.
///
/// ```swift
/// try communicator.agree(on: CollectiveCall(.allReduce, element: .float, count: 1024))
/// ```
public struct CollectiveCall: Hashable, Sendable {
  public enum Operation: Int, Sendable {
    case barrier, broadcast, allReduce, reduceScatter, allGather
    /// The rank makes no more calls: its work has returned.
    case ended
  }

  public enum Element: Int, Sendable {
    case byte, float, double
  }

  public let operation: Operation
  public let element: Element
  /// Elements of the whole buffer.
  public let count: Int
  /// The rank that sends in a broadcast.
  public let root: Int?
  /// Stands for the list of the parts' lengths, where the operation has parts.
  let countsHash: Int
  /// Elements by which the caller's own part is longer than `counts` says.
  let partSurplus: Int

  public init(
    _ operation: Operation, element: Element = .byte, count: Int = 0, root: Int? = nil
  ) {
    self.init(
      operation, element: element, count: count, root: root, countsHash: 0, partSurplus: 0)
  }

  /// A call with parts; `part` is the length of the caller's own.
  init(
    _ operation: Operation, element: Element, count: Int, counts: [Int], part: Int, rank: Int
  ) {
    let expected = counts.indices.contains(rank) ? max(0, counts[rank]) : 0
    self.init(
      operation, element: element, count: count, root: nil, countsHash: Self.hash(counts),
      partSurplus: part - expected)
  }

  private init(
    _ operation: Operation, element: Element, count: Int, root: Int?, countsHash: Int,
    partSurplus: Int
  ) {
    self.operation = operation
    self.element = element
    self.count = count
    self.root = root
    self.countsHash = countsHash
    self.partSurplus = partSurplus
  }

  /// FNV-1a over whole words. Swift's own Hasher is seeded anew in every process, so that the
  /// ranks' hashes would differ.
  private static func hash(_ counts: [Int]) -> Int {
    counts.reduce(Int(bitPattern: 0xcbf2_9ce4_8422_2325)) { ($0 ^ $1) &* 0x100_0000_01b3 }
  }
}

extension CollectiveCall {
  /// The call as numbers, to be compared across processes.
  var words: [Int64] {
    [
      Int64(operation.rawValue), Int64(element.rawValue), Int64(count), Int64(root ?? -1),
      Int64(countsHash), Int64(partSurplus),
    ]
  }

  static let wordCount = 6

  /// Nil if the words are no call's.
  init?(words: some RandomAccessCollection<Int64>) {
    let words = words.map(Int.init)
    guard words.count == Self.wordCount, let operation = Operation(rawValue: words[0]),
      let element = Element(rawValue: words[1])
    else { return nil }
    self.init(
      operation, element: element, count: words[2], root: words[3] == -1 ? nil : words[3],
      countsHash: words[4], partSurplus: words[5])
  }
}

extension CollectiveCall: CustomStringConvertible {
  public var description: String {
    if operation == .ended { return "has returned" }
    var text = "calls \(operation)"
    if operation != .barrier { text += " of \(count) \(element)\(count == 1 ? "" : "s")" }
    if let root { text += " from root \(root)" }
    if partSurplus != 0 {
      text += " with a part \(abs(partSurplus)) \(partSurplus > 0 ? "longer" : "shorter")"
      text += " than its count"
    }
    return text
  }
}
