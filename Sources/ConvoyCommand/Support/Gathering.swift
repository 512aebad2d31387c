import Convoy

extension Communicator {
  /// One number of every rank, in order of ranks; collective.
  func gather(_ number: Int) throws -> [Int] {
    var numbers = [Int](repeating: 0, count: size)
    try withUnsafeBytes(of: number) { own in
      try numbers.withUnsafeMutableBytes {
        try allGather(own, counts: Array(repeating: own.count, count: size), into: $0)
      }
    }
    return numbers
  }

  /// The largest of the ranks' numbers.
  func largest(_ number: Double) throws -> Double {
    try gather(Int(bitPattern: UInt(number.bitPattern))).map {
      Double(bitPattern: UInt64(UInt(bitPattern: $0)))
    }.max() ?? number
  }

  /// The ranks' texts, in order of ranks; collective.
  func gather(_ text: String) throws -> [String] {
    let own = Array(text.utf8)
    let counts = try gather(own.count)
    var all = [UInt8](repeating: 0, count: counts.reduce(0, +))
    try own.withUnsafeBytes { own in
      try all.withUnsafeMutableBytes { try allGather(own, counts: counts, into: $0) }
    }
    var start = 0
    return counts.map { count in
      defer { start += count }
      return String(decoding: all[start..<start + count], as: UTF8.self)
    }
  }
}
