import Collectives

/// One property that every group of ranks must have, whatever kind it is.
///
/// The same list runs over single, threads (CollectivesTests) and MPI (MPISelfTest). Every rank
/// runs a check at the same time, and the check throws on the ranks that see it violated.
public struct Check: Sendable, CustomStringConvertible {
  public let description: String
  public let run: @Sendable (any Communicator) throws -> Void

  public static let all: [Check] =
    values + reductions + messages + pending + refusals + agreement
}

public struct CheckFailure: Error, CustomStringConvertible {
  public let description: String
}

func expect(
  _ condition: Bool, _ text: @autoclosure () -> String, line: Int = #line, file: String = #fileID
) throws {
  if !condition { throw CheckFailure(description: "\(file):\(line): \(text())") }
}

/// Runs `body`, which must throw exactly `expected`.
func expect(_ expected: CollectiveError, line: Int = #line, from body: () throws -> Void) throws {
  do {
    try body()
  } catch let error as CollectiveError {
    return try expect(error == expected, "expected \(expected); got \(error)", line: line)
  }
  throw CheckFailure(description: "line \(line): expected \(expected); nothing was thrown")
}

extension Communicator {
  func sum(_ values: [Float]) throws -> [Float] {
    var values = values
    try values.withUnsafeMutableBufferPointer { try allReduce($0) }
    return values
  }

  func sum(_ values: [Double]) throws -> [Double] {
    var values = values
    try values.withUnsafeMutableBufferPointer { try allReduce($0) }
    return values
  }

  func broadcast(_ bytes: [UInt8], root: Int) throws -> [UInt8] {
    var bytes = bytes
    try bytes.withUnsafeMutableBytes { try broadcast($0, root: root) }
    return bytes
  }

  func gather(_ part: [UInt8], counts: [Int], whole: Int) throws -> [UInt8] {
    var gathered = [UInt8](repeating: 255, count: whole)
    try part.withUnsafeBytes { part in
      try gathered.withUnsafeMutableBytes { try allGather(part, counts: counts, into: $0) }
    }
    return gathered
  }

  func scatterSum(_ whole: [Float], counts: [Int], part: Int) throws -> [Float] {
    var sum = [Float](repeating: .nan, count: part)
    try whole.withUnsafeBufferPointer { whole in
      try sum.withUnsafeMutableBufferPointer { try reduceScatter(whole, counts: counts, into: $0) }
    }
    return sum
  }
}

/// A value in [−1, 1) that depends on its arguments alone (SplitMix64), so that each rank knows
/// what every other one contributes. Two in three are scaled by 2^30 or 2^−20: sums of these
/// depend on their order.
func sample(_ index: Int, rank: Int) -> Double {
  var bits = UInt64(truncatingIfNeeded: index &* 4099 &+ rank &+ 1) &* 0x9e37_79b9_7f4a_7c15
  bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
  bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
  bits ^= bits >> 31
  let unit = Double(Int64(bitPattern: bits) >> 11) / 0x1p52
  return unit * [1, 0x1p30, 0x1p-20][Int(bits % 3)]
}

/// A byte that tells its rank and place apart from the others.
func byte(_ index: Int, rank: Int) -> UInt8 {
  UInt8((index * 7 + rank * 31 + 1) % 251)
}
