import Collectives
import Kernels

extension LocalTransfer {
  /// Packs and sends what this rank holds, begins to receive, and copies what it keeps.
  ///
  /// The buffers stay, and what is sent from stays unchanged, until `finish`.
  ///
  /// - Parameters: `outgoing` and `incoming` are `nil` where messages are sent, or received, in place.
  /// - Returns: the exchange, if anything travels.
  func start<Element: TensorElement>(
    from source: UnsafePointer<Element>, to target: UnsafeMutablePointer<Element>,
    outgoing: UnsafeMutablePointer<Element>?, incoming: UnsafeMutablePointer<Element>?,
    communicator: any Communicator
  ) throws -> (any PendingExchange)? {
    if let outgoing {
      for piece in packs { piece.copy(from: source, to: outgoing) }
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
    for piece in copies { piece.copy(from: source, to: target) }
    return exchange
  }

  /// Unpacks what was received, or adds it up, once the exchange is done.
  func finish<Element: TensorElement>(
    from source: UnsafePointer<Element>, incoming: UnsafePointer<Element>?,
    to target: UnsafeMutablePointer<Element>
  ) {
    for contribution in contributions {
      let from = contribution.isOwn ? source : incoming ?? source
      if isSum {
        contribution.piece.add(from: from, to: target)
      } else {
        contribution.piece.copy(from: from, to: target)
      }
    }
  }
}
