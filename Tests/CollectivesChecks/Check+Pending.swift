import Collectives

extension Check {
  /// Exchanges that are started now and waited for later.
  static let pending: [Check] = [
    Check(description: "several pending exchanges, waited for in different orders") { group in
      let count = 5
      let (next, previous) = neighbours(group)
      let lengths = (0..<count).map { [3, 40_000, 0, 1, 300_000][$0] }
      let sent = lengths.indices.map { message in
        (0..<lengths[message]).map { byte($0 + message, rank: group.rank) }
      }
      let places = lengths.map {
        UnsafeMutableRawBufferPointer.allocate(byteCount: $0, alignment: 8)
      }
      defer { for place in places { place.deallocate() } }
      let sources = sent.map { bytes in
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
        copy.copyBytes(from: bytes)
        return copy
      }
      defer { for source in sources { source.deallocate() } }
      let before = group.traffic
      let pending = try lengths.indices.map { message in
        try group.startExchange(
          sending: [OutgoingMessage(to: next, bytes: UnsafeRawBufferPointer(sources[message]))],
          receiving: [IncomingMessage(from: previous, bytes: places[message])])
      }
      group.progress()
      // Even ranks wait from the first, odd ones from the last: neither must wait for the other.
      for message in group.rank % 2 == 0 ? Array(0..<count) : (0..<count).reversed() {
        try pending[message].wait()
        let expected = (0..<lengths[message]).map { byte($0 + message, rank: previous) }
        try expect(Array(places[message]) == expected, "message \(message)")
      }
      let bytes = group.size == 1 ? 0 : lengths.reduce(0, +)
      let change = group.traffic.since(before)
      try expect(change.bytesSent == bytes && change.bytesReceived == bytes, "\(change)")
    },
    Check(description: "a collective, and a blocking exchange, between start and wait") { group in
      let (next, previous) = neighbours(group)
      var places = [UInt8](repeating: 0, count: 2)
      let sent = [UInt8(group.rank), UInt8(group.rank + 100)]
      try sent.withUnsafeBytes { sent in
        try places.withUnsafeMutableBytes { places in
          func start(_ index: Int) throws -> any PendingExchange {
            let one = index..<index + 1
            return try group.startExchange(
              sending: [
                OutgoingMessage(to: next, bytes: UnsafeRawBufferPointer(rebasing: sent[one]))
              ],
              receiving: [
                IncomingMessage(
                  from: previous, bytes: UnsafeMutableRawBufferPointer(rebasing: places[one]))
              ])
          }
          let first = try start(0)
          try expect(try group.sum([1.0]) == [Double(group.size)], "sum")
          try start(1).wait()
          try first.wait()
        }
      }
      try expect(places == [UInt8(previous), UInt8(previous + 100)], "\(places)")
    },
    Check(description: "a wrong length is thrown by wait, and the others arrive") { group in
      let (next, previous) = neighbours(group)
      let sent = [UInt8](repeating: 7, count: 12)
      var places = [UInt8](repeating: 0, count: 12)
      try sent.withUnsafeBytes { sent in
        try places.withUnsafeMutableBytes { places in
          // 4 bytes for 2, 4 for 8, 4 for 2 and at last 4 for 4.
          let parts = [0..<2, 2..<10, 10..<12, 4..<8]
          let pending = try parts.map {
            try group.startExchange(
              sending: [
                OutgoingMessage(to: next, bytes: UnsafeRawBufferPointer(rebasing: sent[0..<4]))
              ],
              receiving: [
                IncomingMessage(
                  from: previous, bytes: UnsafeMutableRawBufferPointer(rebasing: places[$0]))
              ])
          }
          for (exchange, part) in zip(pending, parts).dropLast() {
            do {
              try exchange.wait()
              try expect(false, "4 bytes for \(part.count) were taken")
            } catch CollectiveError.messageLength(let source, let expected, _) {
              try expect(source == previous && expected == part.count, "\(source), \(expected)")
            }
          }
          try pending[3].wait()
          try expect(places[4..<8].allSatisfy { $0 == 7 }, "the last")
        }
      }
      try group.barrier()
    },
  ]

  private static func neighbours(_ group: any Communicator) -> (next: Int, previous: Int) {
    ((group.rank + 1) % group.size, (group.rank + group.size - 1) % group.size)
  }
}
