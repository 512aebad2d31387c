/// Why a file could not be read or written: one value for every failure of this module.
///
/// Positions are bytes from the start of the file; in a gzip file, of what it holds unpacked.
///
/// ```swift
/// do { image = try NpyArray(path: "image.npy") } catch { print(error) }
/// // image.npy: truncated in the data: expected at least 2528 bytes, found 140
/// ```
public enum FormatError: Error, Hashable, Sendable {
  /// The operating system refused `operation` ("open", "write" …); `code` is its `errno`.
  case system(path: String, operation: String, code: Int32)
  /// The path names a folder, a device or a pipe, where a file was needed.
  case notAFile(path: String)
  /// The path names a pipe or a terminal, which takes bytes in order only, where several processes
  /// write at positions of their own.
  case notSeekable(path: String)
  /// A pipe without a reader, where something was to be written.
  case unreadPipe(path: String)
  /// A file that is being appended to is not where it was: removed, or another stands in its place.
  case vanished(path: String)
  /// The way to an output leads over a link that another user made, and this process is root's.
  case foreignLink(path: String, link: String)
  /// More than `limit` bytes, where a small file was expected.
  case tooLong(path: String, limit: Int)
  /// What the file holds does not fit into the memory there is; both in bytes.
  case notEnoughMemory(path: String, needed: Int, available: Int)
  /// A packed file is so short that `part` cannot be in it: `most` bytes could be.
  case compressedTooShort(path: String, part: String, expected: Int, most: Int)
  /// The file ends inside `part`, which needs `expected` bytes from the start of the file.
  case truncated(path: String, part: String, expected: Int, found: Int)
  /// The file goes on after `position`, where by its own header it ends.
  case trailingData(path: String, position: Int)
  /// The compressed data is damaged; `reason` is zlib's.
  case corruptCompression(path: String, reason: String)
  /// `part` holds, at `position`, something else than the format allows there.
  case malformed(path: String, part: String, position: Int, found: String, expected: String)
  /// A valid file whose elements are of a type that is not read here.
  case unsupportedElementType(path: String, found: String, supported: String)
  /// The product of the extents, in bytes, is beyond any file.
  case shapeTooLarge(path: String, tensor: String?, shape: [Int])
  /// A tensor's bytes are not as many as its shape and type need.
  case sizeMismatch(path: String, tensor: String, shape: [Int], expected: Int, found: Int)
  /// A tensor's data does not start where the one before it ends; both are counted from the start
  /// of the data.
  case misplacedTensor(path: String, tensor: String, expected: Int, found: Int)
  /// Two tensors, or two keys, of one name.
  case duplicateName(path: String, name: String)
  /// A tensor to be written has a name that the format keeps for itself.
  case reservedName(path: String, name: String)
}
