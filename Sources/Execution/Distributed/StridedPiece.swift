import Kernels
import Partitioning

/// A box within two buffers: how many elements, where they begin, and how far apart they are.
/// Dimensions that lie one behind the other in both buffers are joined.
struct StridedPiece: Sendable {
  private(set) var extents: [Int] = []
  private(set) var fromStrides: [Int] = []
  private(set) var toStrides: [Int] = []
  let from: Int
  let to: Int

  /// - Parameters: the piece's shape, and per buffer where it begins and the buffer's shape.
  init(_ shape: [Int], from: (start: [Int], shape: [Int]), to: (start: [Int], shape: [Int])) {
    let (fromSteps, toSteps) = (Self.strides(from.shape), Self.strides(to.shape))
    self.from = zip(from.start, fromSteps).reduce(0) { $0 + $1.0 * $1.1 }
    self.to = zip(to.start, toSteps).reduce(0) { $0 + $1.0 * $1.1 }
    join(shape, fromSteps, toSteps)
  }

  /// A piece that is packed, or unpacked, at an offset.
  init(_ shape: [Int], from: (start: [Int], shape: [Int]), toOffset: Int) {
    let fromSteps = Self.strides(from.shape)
    self.from = zip(from.start, fromSteps).reduce(0) { $0 + $1.0 * $1.1 }
    to = toOffset
    join(shape, fromSteps, Self.strides(shape))
  }

  init(_ shape: [Int], fromOffset: Int, to: (start: [Int], shape: [Int])) {
    let toSteps = Self.strides(to.shape)
    from = fromOffset
    self.to = zip(to.start, toSteps).reduce(0) { $0 + $1.0 * $1.1 }
    join(shape, Self.strides(shape), toSteps)
  }

  private mutating func join(_ shape: [Int], _ fromSteps: [Int], _ toSteps: [Int]) {
    for (dimension, extent) in shape.enumerated() where extent != 1 {
      if let last = extents.indices.last, fromStrides[last] == extent * fromSteps[dimension],
        toStrides[last] == extent * toSteps[dimension]
      {
        extents[last] *= extent
        fromStrides[last] = fromSteps[dimension]
        toStrides[last] = toSteps[dimension]
      } else {
        extents.append(extent)
        fromStrides.append(fromSteps[dimension])
        toStrides.append(toSteps[dimension])
      }
    }
  }

  /// Row-major.
  private static func strides(_ shape: [Int]) -> [Int] {
    var strides = shape
    var stride = 1
    for dimension in shape.indices.reversed() {
      strides[dimension] = stride
      stride *= shape[dimension]
    }
    return strides
  }

  func copy<Element: TensorElement>(
    from source: UnsafePointer<Element>, to target: UnsafeMutablePointer<Element>
  ) {
    Element.permute(
      extents: extents, to: target + to, toStrides, from: source + from, fromStrides)
  }

  func add<Element: TensorElement>(
    from source: UnsafePointer<Element>, to target: UnsafeMutablePointer<Element>
  ) {
    Element.add(extents: extents, to: target + to, toStrides, from: source + from, fromStrides)
  }
}

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
