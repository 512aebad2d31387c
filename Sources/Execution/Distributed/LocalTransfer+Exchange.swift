import Collectives
import Kernels

extension LocalTransfer {
  /// How elements of a type are copied, and added to others.
  struct Moves<Element> {
    typealias Move = (StridedPiece, UnsafePointer<Element>, UnsafeMutablePointer<Element>) -> Void

    let copy: Move
    let add: Move
  }

  /// Packs and sends what this rank holds, begins to receive, and copies what it keeps.
  ///
  /// The buffers stay, and what is sent from stays unchanged, until `finish`.
  ///
  /// - Parameters: `outgoing` and `incoming` are `nil` where messages are sent, or received, in place.
  /// - Returns: the exchange, if anything travels.
  func start<Element>(
    from source: UnsafePointer<Element>, to target: UnsafeMutablePointer<Element>,
    outgoing: UnsafeMutablePointer<Element>?, incoming: UnsafeMutablePointer<Element>?,
    communicator: any Communicator, _ moves: Moves<Element>
  ) throws -> (any PendingExchange)? {
    if let outgoing {
      for piece in packs { moves.copy(piece, source, outgoing) }
    }
    var exchange: (any PendingExchange)?
    if !sends.isEmpty || !receives.isEmpty {
      let sent = outgoing.map { UnsafePointer($0) } ?? source
      let received = incoming ?? target
      exchange = try communicator.startExchange(
        sending: sends.map { message in
          OutgoingMessage(
            to: message.peer,
            bytes: UnsafeRawBufferPointer(
              UnsafeBufferPointer(start: sent + message.offset, count: message.count)))
        },
        receiving: receives.map { message in
          IncomingMessage(
            from: message.peer,
            bytes: UnsafeMutableRawBufferPointer(
              UnsafeMutableBufferPointer(start: received + message.offset, count: message.count)))
        })
    }
    for piece in copies { moves.copy(piece, source, target) }
    return exchange
  }

  /// Unpacks what was received, or adds it up, once the exchange is done.
  func finish<Element>(
    from source: UnsafePointer<Element>, incoming: UnsafePointer<Element>?,
    to target: UnsafeMutablePointer<Element>, _ moves: Moves<Element>
  ) {
    for contribution in contributions {
      let from = contribution.isOwn ? source : incoming ?? source
      if isSum {
        moves.add(contribution.piece, from, target)
      } else {
        moves.copy(contribution.piece, from, target)
      }
    }
  }
}

extension LocalTransfer.Moves where Element: TensorElement {
  /// Of numbers, or of whatever has their size where nothing is added.
  static var elements: Self {
    Self(copy: { $0.copy(from: $1, to: $2) }, add: { $0.add(from: $1, to: $2) })
  }
}

extension LocalTransfer.Moves<UInt8> {
  static var bytes: Self {
    Self(
      copy: { $0.copy(from: $1, to: $2) },
      add: { _, _, _ in
        preconditionFailure("bytes have no terms: sums of them are in floating point")
      })
  }
}
