import Partitioning

/// One rank's part in a transfer, with every offset worked out.
struct LocalTransfer: Sendable {
  /// A run of elements of a buffer that is sent to, or received from, a rank.
  struct Message: Sendable {
    let peer: Int
    let offset: Int
    let count: Int
  }

  /// What is added to the target: from the rank's own source, or from what it received.
  struct Contribution: Sendable {
    let isOwn: Bool
    let piece: StridedPiece
  }

  /// From the source into the packed messages; empty where messages are sent in place.
  private(set) var packs: [StridedPiece] = []
  private(set) var sends: [Message] = []
  private(set) var receives: [Message] = []
  /// Copied from the source to the target at once; empty where contributions are added.
  private(set) var copies: [StridedPiece] = []
  /// In the order of the ranks they come from.
  private(set) var contributions: [Contribution] = []
  let isSum: Bool
  /// Elements that are received.
  private(set) var receivedCount = 0

  init(_ movement: RunSchedule.Movement, slice: Int, rank: Int) {
    let redistribution = movement.redistribution
    let source = redistribution.source.box(of: rank, slice: slice).shape
    let target = redistribution.target.box(of: rank, slice: slice).shape
    let (sent, received, kept) = redistribution.messages(of: rank, slice: slice)
    isSum = !redistribution.isCopy
    var offset = 0
    for message in sent {
      let start = offset
      for piece in message.pieces {
        let packed = StridedPiece(
          piece.shape, from: (piece.inSource, source), toOffset: offset)
        if movement.isSentInPlace {
          sends.append(Message(peer: message.peer, offset: packed.from, count: piece.count))
        } else {
          packs.append(packed)
        }
        offset += piece.count
      }
      if !movement.isSentInPlace {
        sends.append(Message(peer: message.peer, offset: start, count: offset - start))
      }
    }
    let own = kept.map { piece in
      StridedPiece(piece.shape, from: (piece.inSource, source), to: (piece.inTarget, target))
    }
    var isOwnAdded = !isSum
    func addOwn() {
      isOwnAdded = true
      contributions += own.map { Contribution(isOwn: true, piece: $0) }
    }
    offset = 0
    for message in received {
      if !isOwnAdded && message.peer > rank { addOwn() }
      let start = offset
      for piece in message.pieces {
        let unpacked = StridedPiece(
          piece.shape, fromOffset: offset, to: (piece.inTarget, target))
        if movement.isSentInPlace {
          receives.append(
            Message(
              peer: message.peer, offset: movement.isReceivedInPlace ? unpacked.to : offset,
              count: piece.count))
        }
        if !movement.isReceivedInPlace {
          contributions.append(Contribution(isOwn: false, piece: unpacked))
        }
        offset += piece.count
      }
      if !movement.isSentInPlace {
        receives.append(Message(peer: message.peer, offset: start, count: offset - start))
      }
    }
    if !isOwnAdded { addOwn() }
    if !isSum { copies = own }
    receivedCount = offset
  }
}
