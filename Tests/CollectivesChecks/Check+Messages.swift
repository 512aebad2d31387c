import Collectives

extension Check {
  static let messages: [Check] = [
    Check(description: "messages around a ring, one to oneself included") { group in
      let next = (group.rank + 1) % group.size
      let previous = (group.rank + group.size - 1) % group.size
      let sent = (0..<500).map { byte($0, rank: group.rank) }
      var fromPrevious = [UInt8](repeating: 0, count: 500)
      var fromSelf = fromPrevious
      let before = group.traffic
      try sent.withUnsafeBytes { sent in
        try fromPrevious.withUnsafeMutableBytes { fromPrevious in
          try fromSelf.withUnsafeMutableBytes { fromSelf in
            try group.exchange(
              sending: [
                OutgoingMessage(to: next, bytes: sent),
                OutgoingMessage(to: group.rank, bytes: sent),
              ],
              receiving: [
                IncomingMessage(from: previous, bytes: fromPrevious),
                IncomingMessage(from: group.rank, bytes: fromSelf),
              ])
          }
        }
      }
      try expect(fromSelf == sent, "from oneself")
      try expect(fromPrevious == (0..<500).map { byte($0, rank: previous) }, "from the previous")
      let change = group.traffic.since(before)
      let bytes = group.size == 1 ? 0 : 500
      try expect(change.bytesReceived == bytes && change.bytesSent == bytes, "\(change)")
      try expect(change.calls == 0, "an exchange is no collective")
    },
    Check(description: "several messages between all pairs keep their order") { group in
      let lengths = [3, 0, 70_000, 1]
      let sent = lengths.map { length in (0..<length).map { byte($0 + length, rank: group.rank) } }
      let flat = sent.flatMap(\.self)
      var received = [UInt8](repeating: 0, count: flat.count * group.size)
      try flat.withUnsafeBytes { flat in
        try received.withUnsafeMutableBytes { received in
          var sending: [OutgoingMessage] = []
          var receiving: [IncomingMessage] = []
          for peer in 0..<group.size {
            var start = 0
            for length in lengths {
              let bytes = UnsafeRawBufferPointer(rebasing: flat[start..<start + length])
              sending.append(OutgoingMessage(to: peer, bytes: bytes))
              let place = peer * flat.count + start
              receiving.append(
                IncomingMessage(
                  from: peer,
                  bytes: UnsafeMutableRawBufferPointer(rebasing: received[place..<place + length])))
              start += length
            }
          }
          try group.exchange(sending: sending, receiving: receiving)
        }
      }
      let expected = (0..<group.size).flatMap { peer in
        lengths.flatMap { length in (0..<length).map { byte($0 + length, rank: peer) } }
      }
      try expect(received == expected, "wrong values")
    },
    Check(description: "no messages at all") { group in
      try group.exchange(sending: [], receiving: [])
    },
    Check(description: "a message of another length than expected is refused") { group in
      for (sent, expected) in [(8, 4), (4, 8)] {
        let bytes = [UInt8](repeating: 1, count: sent)
        var place = [UInt8](repeating: 0, count: expected)
        let next = (group.rank + 1) % group.size
        let previous = (group.rank + group.size - 1) % group.size
        do {
          try bytes.withUnsafeBytes { bytes in
            try place.withUnsafeMutableBytes { place in
              try group.exchange(
                sending: [OutgoingMessage(to: next, bytes: bytes)],
                receiving: [IncomingMessage(from: previous, bytes: place)])
            }
          }
          try expect(false, "\(sent) bytes for \(expected) were taken")
        } catch CollectiveError.messageLength(let source, let length, let found) {
          try expect(source == previous && length == expected, "source \(source), \(length)")
          // A communicator need not know how much too long a message was.
          try expect(found == sent || found == nil && sent > expected, "found \(found ?? -1)")
        }
        try group.barrier()
      }
    },
    Check(description: "messages that could never arrive are refused") { group in
      let size = group.size
      let empty = UnsafeRawBufferPointer(start: nil, count: 0)
      try expect(.noSuchRank(size, size: size)) {
        try group.exchange(sending: [OutgoingMessage(to: size, bytes: empty)], receiving: [])
      }
      try expect(.noSuchRank(-1, size: size)) {
        let place = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        try group.exchange(sending: [], receiving: [IncomingMessage(from: -1, bytes: place)])
      }
      try expect(.ownMessages(sent: 1, expected: 0)) {
        try group.exchange(sending: [OutgoingMessage(to: group.rank, bytes: empty)], receiving: [])
      }
    },
  ]
}
