/// The keys of `plan --json` that design.md promises, for one rank and for several; others may be
/// added. `Bytes` is `Double` where they may be more than 64 bits hold.
struct PlanKeys<Step: Decodable, Bytes: Decodable>: Decodable {
  var expression: String
  var optimizer: String
  var path: [[Int]]
  var macs: Double
  var trainingMacs: Double
  var leftToRightMacs: Double
  var largestIntermediate: Double
  var ranks: Int
  var peakBytesPerRank: [Bytes]
  var peakBytesAreExact: Bool
  var bytesReceivedPerRank: [Int]
  var steps: [Step]
  var hash: String
  var cost: Double
}
