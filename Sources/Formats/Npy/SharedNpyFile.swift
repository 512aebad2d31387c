#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// One `.npy` file that several processes write, each its own boxes; it appears whole or not at all.
///
/// One process creates a hidden file in the folder of `path` and tells the others its name; all
/// write disjoint boxes, which together are the whole array, and synchronize; once all have, the
/// first one renames the file. Whoever opens `path` finds the old content or the new.
///
/// ```swift
/// let isFirst = communicator.rank == 0
/// let file = isFirst
///   ? try SharedNpyFile.create(path: "c.npy", shape: [8, 6], elementType: .float32)
///   : try SharedNpyFile(
///     opening: told, path: "c.npy", shape: [8, 6], elementType: .float32)  // `temporaryPath`
/// try file.write(box: [rows, 0..<6], from: bytes)
/// try file.synchronize()
/// // … wait for all …
/// if isFirst { try file.finish() }
/// ```
///
/// The hidden file is removed at the end of the life of the object that created it, unless it was
/// finished; only a killed process can leave one behind (`.NAME.….partial`), which nothing reads.
/// Threads may write to one file at the same time.
///
/// A device is written directly, as by `writeAtomically`: `/dev/null` takes everything.
public final class SharedNpyFile: Sendable {
  /// The file that will be there in the end, which errors name.
  public let path: String
  /// Of the finished file: little-endian, in C order.
  public let header: NpyHeader
  /// The file that is written, by the name that the other processes open; `path` for a device.
  public let temporaryPath: String
  private let file: OutputFile
  private let isDevice: Bool
  /// Whether this object made the hidden file and removes it.
  private let isOwner: Bool

  private init(
    _ file: consuming OutputFile, path: String, header: NpyHeader, temporaryPath: String,
    isDevice: Bool, isOwner: Bool
  ) {
    self.path = path
    self.header = header
    self.temporaryPath = temporaryPath
    self.file = file
    self.isDevice = isDevice
    self.isOwner = isOwner
  }

  deinit { if isOwner { unlink(temporaryPath) } }

  /// Makes the hidden file, in its full length, with the header; on one process.
  ///
  /// - Throws: `FormatError` if the folder does not exist or may not be written to, if the disk has
  ///   not enough room, or if `path` is a folder or a pipe.
  public static func create(
    path: String, shape: [Int], elementType: NpyHeader.ElementType
  ) throws(FormatError) -> SharedNpyFile {
    let header = try self.header(path: path, shape: shape, elementType: elementType)
    let result: SharedNpyFile
    switch try targetKind(path) {
    case .folder: throw .notAFile(path: path)
    case .pipe: throw .notSeekable(path: path)
    case .device:
      let file = try OutputFile(opening: path, flags: O_NOCTTY, path: path)
      guard file.isSeekable else { throw .notSeekable(path: path) }
      result = SharedNpyFile(
        file, path: path, header: header, temporaryPath: path, isDevice: true, isOwner: false)
    case .file, .missing:
      let temporary = Formats.temporaryPath(beside: resolvingLinks(path))
      let file = try OutputFile(opening: temporary, flags: O_CREAT | O_EXCL, path: path)
      // From here on an error removes the file, with the object.
      result = SharedNpyFile(
        file, path: path, header: header, temporaryPath: temporary, isDevice: false, isOwner: true)
      try result.file.reserve(byteCount: header.dataOffset + header.byteCount)
    }
    let bytes = NpyHeader.encoded(shape: shape, elementType: elementType)
    try bytes.withUnsafeBufferPointer { (buffer) throws(FormatError) in
      try result.file.write(UnsafeRawBufferPointer(buffer), at: 0)
    }
    return result
  }

  /// Opens the hidden file that another process created for the same path, shape and type.
  ///
  /// - Parameter temporaryPath: That of the object which created it; if relative, to the same folder.
  /// - Throws: `FormatError` if it is not there, as on a host with other disks, or is of another size.
  public convenience init(
    opening temporaryPath: String, path: String, shape: [Int], elementType: NpyHeader.ElementType
  ) throws(FormatError) {
    let header = try Self.header(path: path, shape: shape, elementType: elementType)
    let file = try OutputFile(
      opening: temporaryPath, flags: O_NOCTTY, path: path,
      operation: "open '\(temporaryPath)', made by another process (do all share this folder?)")
    let size = try file.size()
    let expected = header.dataOffset + header.byteCount
    if let size, size < expected {
      throw .truncated(path: path, part: "file being written", expected: expected, found: size)
    }
    if let size, size > expected { throw .trailingData(path: path, position: expected) }
    self.init(
      file, path: path, header: header, temporaryPath: temporaryPath, isDevice: size == nil,
      isOwner: false)
  }

  /// Writes a box, given in C order without gaps in this machine's byte order (little-endian).
  ///
  /// Never touches a byte outside the box, so every contiguous piece takes a call of its own: boxes
  /// that are whole in the last dimensions are written fastest, single columns slowest.
  ///
  /// - Parameters:
  ///   - box: A range within `0..<extent` for every extent of the shape; `[]` for a scalar.
  ///   - bytes: As many as the box has.
  /// - Throws: `FormatError` if the disk is full or fails.
  public func write(box: [Range<Int>], from bytes: UnsafeRawBufferPointer) throws(FormatError) {
    let runs = BoxRuns(shape: header.shape, box: box, elementSize: header.elementType.size)
    precondition(
      bytes.count == runs.count * runs.byteCount,
      "a box of \(runs.count * runs.byteCount) bytes from a buffer of \(bytes.count)")
    var done = 0
    for offset in runs {
      let run = UnsafeRawBufferPointer(rebasing: bytes[done..<(done + runs.byteCount)])
      try file.write(run, at: header.dataOffset + offset)
      done += runs.byteCount
    }
  }

  /// Returns once what this process wrote is on the disk.
  public func synchronize() throws(FormatError) {
    if !isDevice { try file.synchronize() }
  }

  /// Gives the file its name; by one process, once all have synchronized. No one writes after it.
  public func finish() throws(FormatError) {
    guard !isDevice else { return }
    let target = resolvingLinks(path)
    try move(temporaryPath, to: target, path: path)
    try Formats.synchronize(folder(of: target))
  }

  /// Removes the hidden file and leaves `path` as it was; by any process, at any time before
  /// `finish`.
  public func discard() {
    if !isDevice { unlink(temporaryPath) }
  }

  private static func header(
    path: String, shape: [Int], elementType: NpyHeader.ElementType
  ) throws(FormatError) -> NpyHeader {
    guard storageSize(shape: shape, elementSize: elementType.size) != nil else {
      throw .shapeTooLarge(path: path, tensor: nil, shape: shape)
    }
    return NpyHeader(shape: shape, elementType: elementType)
  }
}
