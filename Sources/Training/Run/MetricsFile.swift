import Formats
import Foundation

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// `metrics.jsonl`: every record is in the file, for others to read, when `append` returns.
final class MetricsFile {
  let path: String
  /// All records of the run, with those of before it was resumed.
  private(set) var records: [MetricRecord]
  private let descriptor: Int32

  /// Opens the file, and cuts off what came after the step and the epoch that a run is resumed at,
  /// so that the file reads as that of one uninterrupted run.
  init(path: String, steps: Int, epochs: Int) throws {
    self.path = path
    // Not decoding strictly: a crash of the machine may leave anything at the end.
    let text = FileManager.default.contents(atPath: path).map {
      String(decoding: $0, as: UTF8.self)
    }
    records = MetricRecord.records(in: text ?? "", steps: steps, epochs: epochs)
    let kept = records.map { $0.line + "\n" }.joined()
    if kept != text { try writeAtomically(to: path, bytes: Array(kept.utf8)) }
    descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw FormatError.system(path: path, operation: "append to", code: errno)
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  func append(_ record: MetricRecord) throws {
    var rest = Array((record.line + "\n").utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else {
        throw FormatError.system(path: path, operation: "write", code: errno)
      }
      rest = rest.dropFirst(count)
    }
    records.append(record)
  }

  /// Returns once the records are on the disk: before a checkpoint that counts on them.
  func synchronize() throws {
    guard fsync(descriptor) == 0 || errno == EINVAL else {
      throw FormatError.system(path: path, operation: "synchronize", code: errno)
    }
  }
}
