import Partitioning
import Testing

/// A redistribution at one slice, carried out in two ways: element by element following the
/// documented rules, and with its own messages.
struct Exchange {
  let redistribution: Redistribution
  let slice: Int
  let source: Holdings
  let target: Holdings

  init(_ redistribution: Redistribution, slice: Int) {
    self.redistribution = redistribution
    self.slice = slice
    source = Holdings(redistribution.source, slice: slice)
    target = Holdings(redistribution.target, slice: slice)
  }

  /// Whether one rank is a designated sender of another.
  private func sends(_ sender: Int, to receiver: Int) -> Bool {
    source.agree(
      sender, receiver, on: Set(source.copyingAxes).union(redistribution.target.partialAxes))
  }

  /// Per receiver, element of its box and contribution: the sender, and the place in its box.
  func contributions() -> [[[(sender: Int, place: Int)]]] {
    let places = source.ranks.map { source.places($0) }
    return target.ranks.map { receiver in
      let senders = source.ranks.filter { sends($0, to: receiver) }
      return target.elements[receiver].map { element in
        senders.compactMap { sender in places[sender][element].map { (sender, $0) } }
      }
    }
  }

  /// Values of the source's boxes carried by the messages into the target's: the sender packs the
  /// pieces that it lists, the receiver unpacks those that it lists.
  func carry(_ values: [[Int]]) throws -> [[Int]] {
    var results = target.elements.map { [Int](repeating: 0, count: $0.count) }
    let messages = source.ranks.map { redistribution.messages(of: $0, slice: slice) }
    for (receiver, message) in messages.enumerated() {
      var transfers = [(sender: receiver, packed: message.kept, unpacked: message.kept)]
      for incoming in message.received {
        let outgoing = try #require(
          messages[incoming.peer].sent.first { $0.peer == receiver },
          "rank \(incoming.peer) does not know that it sends to \(receiver)")
        transfers.append((incoming.peer, outgoing.pieces, incoming.pieces))
      }
      for (sender, sent, received) in transfers {
        let packed = try sent.flatMap { piece in
          try places(piece.inSource, piece.shape, in: source.indices[sender]).map {
            values[sender][$0]
          }
        }
        let unpacked = try received.flatMap {
          try places($0.inTarget, $0.shape, in: target.indices[receiver])
        }
        try #require(packed.count == unpacked.count)
        for (place, value) in zip(unpacked, packed) { results[receiver][place] += value }
      }
    }
    return results
  }

  /// The places of a piece's elements in a box, in row-major order.
  func places(_ start: [Int], _ shape: [Int], in box: [[Int]]) throws -> [Int] {
    try #require(start.count == box.count && shape.count == box.count)
    var places = [0]
    for (indices, (first, length)) in zip(box, zip(start, shape)) {
      try #require(first >= 0 && length >= 1 && first + length <= indices.count)
      places = places.flatMap { place in
        (first..<first + length).map { place * indices.count + $0 }
      }
    }
    return places
  }
}
