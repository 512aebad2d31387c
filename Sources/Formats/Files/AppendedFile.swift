#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A file that grows at its end: a log, whole after every write.
///
/// ```swift
/// let log = try AppendedFile(path: "metrics.jsonl")
/// try log.write(Array("{}\n".utf8))
/// ```
public final class AppendedFile: Sendable {
  private let file: OutputFile

  private init(_ file: consuming OutputFile) { self.file = file }

  /// Opens a file that is there. Links are followed as by `writeAtomically`.
  ///
  /// - Throws: `FormatError` if nothing is there that may be followed, or if it is no file.
  public convenience init(path: String) throws(FormatError) {
    let place = try OutputPlace(path, operation: "append to")
    guard case .file = place.kind else {
      guard place.kind == .missing else { throw .notAFile(path: path) }
      throw .system(path: path, operation: "append to", code: ENOENT)
    }
    let file = try place.open(O_APPEND)
    // What was a file when the place was looked at may be another thing now.
    guard try file.size() != nil else { throw .notAFile(path: path) }
    self.init(file)
  }

  /// Appends bytes; others can read them when the call returns.
  public func write(_ bytes: [UInt8]) throws(FormatError) { try file.write(bytes) }

  /// Makes sure that what is written can still be found.
  ///
  /// - Throws: `FormatError.vanished` if the file was removed or replaced.
  public func requirePresence() throws(FormatError) {
    guard file.isInPlace() else { throw .vanished(path: file.path) }
  }

  /// Returns once the bytes are on the disk.
  public func synchronize() throws(FormatError) { try file.synchronize() }
}
