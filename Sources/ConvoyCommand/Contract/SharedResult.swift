import Convoy
import Formats
import Foundation

/// The result's file, written by all ranks together: aside, and renamed once all of it is there.
///
/// Rank 0 makes the hidden file; every rank removes it when the job ends before it is whole, for it
/// may be rank 0 that was killed.
struct SharedResult {
  let path: String
  let shape: [Int]
  let elementType: NpyHeader.ElementType
  let communicator: any Communicator

  /// A file that is whole, but not yet in its place: without `finish` nothing is left of it.
  final class Written {
    /// On rank 0.
    private let file: SharedNpyFile?
    private let registration: TemporaryFiles.Registration?

    fileprivate init(_ file: SharedNpyFile?, _ registration: TemporaryFiles.Registration?) {
      self.file = file
      self.registration = registration
    }

    deinit { TemporaryFiles.unregister(registration) }

    /// Gives the file its name; collective.
    func finish(_ communicator: any Communicator) throws {
      try communicator.together { try file?.finish() }
    }
  }

  /// Writes this rank's box; collective. A rank without a part of the result gives `nil`.
  func write(_ part: (box: Box, bytes: UnsafeRawBufferPointer)?) throws -> Written {
    var registration: TemporaryFiles.Registration?
    var isWritten = false
    defer { if !isWritten { TemporaryFiles.unregister(registration) } }
    // On rank 0 the file's object removes what it made, unless it is finished, however the process ends.
    let created = try communicator.together { () -> SharedNpyFile? in
      guard communicator.rank == 0 else { return nil }
      return try SharedNpyFile.create(path: path, shape: shape, elementType: elementType)
    }
    let temporary = try broadcast(created?.temporaryPath ?? "")
    if communicator.rank != 0 { registration = TemporaryFiles.register(temporary) }
    try communicator.together {
      guard let part else { return }
      let file =
        try created
        ?? SharedNpyFile(
          opening: temporary, path: path, shape: shape, elementType: elementType)
      try file.write(box: part.box.ranges, from: part.bytes)
      try file.synchronize()
    }
    isWritten = true
    return Written(created, registration)
  }

  /// Rank 0's text, on every rank.
  private func broadcast(_ text: String) throws -> String {
    var count = text.utf8.count
    try withUnsafeMutableBytes(of: &count) { try communicator.broadcast($0, root: 0) }
    var bytes = communicator.rank == 0 ? Array(text.utf8) : [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try communicator.broadcast($0, root: 0) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
