import Formats
import Foundation

/// `metrics.jsonl`: every record is in the file, for others to read, when `append` returns.
final class MetricsFile {
  let path: String
  /// All records of the run, with those of before it was resumed.
  private(set) var records: [MetricRecord]
  /// Nil until there is something to write.
  private var file: AppendedFile?

  /// Opens the file, and cuts off what came after the step and the epoch that a run is resumed at,
  /// so that the file reads as that of one uninterrupted run. If there is none, history begins here.
  ///
  /// - Throws: `FormatError`; `TrainingError.metricsDamaged` if something is missing before that.
  init(path: String, steps: Int, epochs: Int) throws {
    self.path = path
    guard let text = try Self.text(path) else {
      records = []
      return
    }
    records = try MetricsHistory(text, path: path, steps: steps, epochs: epochs).records
    try open()
  }

  /// Nil if there is no file. Not decoding strictly: a crash of the machine may leave anything at the end.
  private static func text(_ path: String) throws -> String? {
    do throws(FormatError) {
      return String(decoding: try contents(of: path), as: UTF8.self)
    } catch {
      guard error.code == ENOENT else { throw error }
      return nil
    }
  }

  /// Writes the records anew, even if nothing changes: what is there may be another user's link, which is
  /// to be replaced.
  private func open() throws {
    let kept = records.map { $0.line + "\n" }.joined()
    try writeAtomically(to: path, bytes: Array(kept.utf8))
    file = try AppendedFile(path: path)
  }

  func append(_ record: MetricRecord) throws {
    if file == nil { try open() }
    try file?.write(Array((record.line + "\n").utf8))
    records.append(record)
  }

  /// Returns once the records are on the disk: before a checkpoint that counts on them.
  ///
  /// - Throws: `FormatError.vanished` if someone has removed the file.
  func synchronize() throws {
    try file?.requirePresence()
    do throws(FormatError) {
      try file?.synchronize()
    } catch {
      // Some network file systems cannot.
      guard error.code == EINVAL else { throw error }
    }
  }
}
