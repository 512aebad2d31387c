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
  private let place: OutputPlace
  /// Nil for a device.
  private let temporaryName: String?
  /// Whether this object made the hidden file, and removes it unless it is finished.
  private let isOwner: Bool

  private init(
    _ file: consuming OutputFile, in place: consuming OutputPlace, path: String,
    header: NpyHeader, temporaryPath: String, temporaryName: String?, isOwner: Bool
  ) {
    self.path = path
    self.header = header
    self.temporaryPath = temporaryPath
    self.file = file
    self.place = place
    self.temporaryName = temporaryName
    self.isOwner = isOwner
  }

  deinit { if isOwner { discard() } }

  /// Makes the hidden file, in its full length, with the header; on one process.
  ///
  /// - Throws: `FormatError` if the folder does not exist or may not be written to, if the disk has
  ///   not enough room, or if `path` is a folder or a pipe.
  public static func create(
    path: String, shape: [Int], elementType: NpyHeader.ElementType
  ) throws(FormatError) -> SharedNpyFile {
    let header = try self.header(path: path, shape: shape, elementType: elementType)
    let place = try OutputPlace(path)
    let result: SharedNpyFile
    switch place.kind {
    case .folder: throw .notAFile(path: path)
    case .pipe: throw .notSeekable(path: path)
    case .device:
      let file = try place.open()
      guard file.isSeekable else { throw .notSeekable(path: path) }
      result = SharedNpyFile(
        file, in: place, path: path, header: header, temporaryPath: path, temporaryName: nil,
        isOwner: false)
    case .file, .missing:
      let temporary = place.temporaryName()
      let file = try place.create(temporary)
      let temporaryPath = place.path(of: temporary)
      // From here on an error removes the file, with the object.
      result = SharedNpyFile(
        file, in: place, path: path, header: header, temporaryPath: temporaryPath,
        temporaryName: temporary, isOwner: true)
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
    let place = try OutputPlace(
      temporaryPath, for: path,
      operation: "open '\(temporaryPath)', made by another process (do all share this folder?)")
    let file = try place.open()
    let size = try file.size()
    let expected = header.dataOffset + header.byteCount
    if let size, size < expected {
      throw .truncated(path: path, part: "file being written", expected: expected, found: size)
    }
    if let size, size > expected { throw .trailingData(path: path, position: expected) }
    let temporaryName = size == nil ? nil : place.name
    self.init(
      file, in: place, path: path, header: header, temporaryPath: temporaryPath,
      temporaryName: temporaryName, isOwner: false)
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
    if temporaryName != nil { try file.synchronize() }
  }

  /// Gives the file its name; by the process that created it, once all have synchronized. No one
  /// writes after it.
  public func finish() throws(FormatError) {
    guard let temporaryName else { return }
    precondition(isOwner, "the process that created a file finishes it")
    try place.finish(temporaryName)
  }

  /// Removes the hidden file and leaves `path` as it was; by any process, at any time before
  /// `finish`.
  public func discard() {
    if let temporaryName { place.remove(temporaryName) }
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
