import Convoy
import Foundation

/// The JSON of `convoy bench comm --json`.
struct CommunicationReport: Encodable {
  /// One operation at one size.
  struct Line: Encodable {
    let operation: CommunicationOperation
    /// See the help of the command for what has this size.
    let bytes: Int
    let repetitions: Int
    let medianMicroseconds: Double
    let minimumMicroseconds: Double
    /// Of the median time, in GB/s = 10⁹ bytes per second.
    let algorithmBandwidth: Double
    let busBandwidth: Double
    /// Payload that each rank receives from others in one repetition.
    let bytesReceivedPerRank: [Int]
  }

  let ranks: Int
  /// The kind of communicator: `mpi` or `single`.
  let kind: String
  let results: [Line]
  /// Payload that each rank received from others in the whole run, with the repetitions that are
  /// not timed and the gathering of the times.
  let totalBytesReceivedPerRank: [Int]
}

extension CommunicationReport {
  /// The head of the table; its rows are `Line.tableRow`.
  static let tableHeader = """
                                              time, µs         bandwidth, GB/s     received
    operation              bytes  count     median    minimum  algorithm     bus     bytes/rank
    """
}

extension CommunicationReport.Line {
  /// - Parameter nanoseconds: the time of each repetition; at least one.
  init(
    _ operation: CommunicationOperation, bytes: Int, ranks: Int, nanoseconds: [Int],
    bytesReceivedPerRank: [Int]
  ) {
    let sorted = nanoseconds.sorted()
    let middle = sorted.count / 2
    let median =
      sorted.count % 2 == 1
      ? Double(sorted[middle]) : Double(sorted[middle - 1] + sorted[middle]) / 2
    self.operation = operation
    self.bytes = bytes
    repetitions = sorted.count
    medianMicroseconds = median / 1000
    minimumMicroseconds = Double(sorted[0]) / 1000
    // One process may be done before its clock has moved.
    algorithmBandwidth = Double(bytes) / max(1, median)
    busBandwidth = algorithmBandwidth * operation.busFactor(ranks: ranks)
    self.bytesReceivedPerRank = bytesReceivedPerRank
  }

  /// The received bytes are those of the rank that receives most.
  var tableRow: String {
    let name = operation.rawValue.padding(toLength: 14, withPad: " ", startingAt: 0)
    return name + " " + countCell(bytes, width: 13)
      + String(
        format: " %6ld %10.1f %10.1f %10.3f %7.3f  ", repetitions, medianMicroseconds,
        minimumMicroseconds, algorithmBandwidth, busBandwidth)
      + countCell(bytesReceivedPerRank.max() ?? 0, width: 13)
  }
}

/// A count in a column of a table, aligned to the right.
func countCell(_ count: Int, width: Int) -> String {
  let text = countText(Double(count))
  return String(repeating: " ", count: max(0, width - text.count)) + text
}
