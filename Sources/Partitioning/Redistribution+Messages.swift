/// What one rank sends to, or receives from, one other rank, or keeps: the elements of its pieces,
/// piece after piece, each in row-major order.
///
/// ```swift
/// for message in Redistribution(from: rows, to: columns).messages(of: 1).received {
///   print(message.peer, message.count)
/// }
/// ```
public struct BoxMessage: Hashable, Sendable {
  /// A box that travels whole.
  public struct Piece: Hashable, Sendable {
    /// Where it begins, counted from the first index of the sender's box, per dimension.
    public let inSource: [Int]
    /// Where it begins, counted from the first index of the receiver's box.
    public let inTarget: [Int]
    public let shape: [Int]

    public var count: Int { shape.reduce(1, *) }
  }

  /// The other rank; for what a rank keeps, itself.
  public let peer: Int
  public let pieces: [Piece]

  /// Elements.
  public var count: Int { pieces.reduce(0) { $0 + $1.count } }
}

extension Redistribution {
  /// All messages of one rank, each list in order of peers. What it keeps is in `kept`.
  ///
  /// Sender and receiver of a message list its pieces in the same order.
  public func messages(
    of rank: Int, slice: Int = 0
  ) -> (sent: [BoxMessage], received: [BoxMessage], kept: [BoxMessage.Piece]) {
    var received = peers(of: rank, slice: slice, isSource: true)
    let own = received.firstIndex { $0.peer == rank }
    let kept = own.map { received.remove(at: $0).pieces } ?? []
    let sent = peers(of: rank, slice: slice, isSource: false).filter { $0.peer != rank }
    return (sent, received, kept)
  }

  /// The messages between a rank and the sources of what it needs (`isSource`), or the targets of
  /// what it holds; its own among them.
  private func peers(of rank: Int, slice: Int, isSource: Bool) -> [BoxMessage] {
    let mesh = source.mesh
    let (mine, theirs) = isSource ? (target, source) : (source, target)
    /// One dimension's share in a message: the ranks' digits it stands for, and the runs.
    struct Choice {
      let offset: Int
      let runs: [(inSource: Int, inTarget: Int, length: Int)]
    }
    var choices: [[Choice]] = []
    for dimension in mine.cuts.indices {
      let range = mine.range(dimension, part: mine.part(dimension, rank: rank, slice: slice))
      let axes = theirs.cuts[dimension].axes
      choices.append(
        parts(axes, rank: rank, slice: slice).compactMap { part in
          let other = theirs.range(dimension, part: part)
          var runs: [(inSource: Int, inTarget: Int, length: Int)] = []
          forEachOverlap(dimension, isSource ? other : range, isSource ? range : other) {
            runs.append(($0, $1, $2))
          }
          return runs.isEmpty ? nil : Choice(offset: offset(axes, part: part), runs: runs)
        })
    }
    // Along the axes that cut no dimension on the other side: all terms of a sum; all copies of the
    // target; or the same coordinate as this rank.
    let free = isSource ? summedAxes : target.replicationAxes.filter { !agreeing.contains($0) }
    var bases = [0]
    for axis in free {
      bases = bases.flatMap { base in
        (0..<mesh.extent(axis)).map { base + $0 * mesh.stride(axis) }
      }
    }
    let cutting = Set(theirs.cuts.flatMap(\.axes))
    let fixed = mesh.axes.indices.filter { !cutting.contains($0) && !free.contains($0) }
      .reduce(0) { $0 + mesh.coordinate(axis: $1, rank: rank) * mesh.stride($1) }
    var messages: [BoxMessage] = []
    func visit(_ dimension: Int, peer: Int, pieces: [BoxMessage.Piece]) {
      guard dimension < choices.count else {
        messages.append(BoxMessage(peer: peer, pieces: pieces))
        return
      }
      for choice in choices[dimension] {
        visit(
          dimension + 1, peer: peer + choice.offset,
          pieces: pieces.flatMap { piece in
            choice.runs.map {
              BoxMessage.Piece(
                inSource: piece.inSource + [$0.inSource], inTarget: piece.inTarget + [$0.inTarget],
                shape: piece.shape + [$0.length])
            }
          })
      }
    }
    let whole = BoxMessage.Piece(inSource: [], inTarget: [], shape: [])
    for base in bases { visit(0, peer: fixed + base, pieces: [whole]) }
    return messages.sorted { $0.peer < $1.peer }
  }

  /// What a part's coordinates add to the number of the rank; slices add nothing.
  private func offset(_ axes: [Int], part: Int) -> Int {
    var rest = part
    var offset = 0
    for axis in axes.reversed() {
      let extent = source.mesh.extent(axis)
      if axis < source.mesh.axes.count { offset += rest % extent * source.mesh.stride(axis) }
      rest /= extent
    }
    return offset
  }
}
