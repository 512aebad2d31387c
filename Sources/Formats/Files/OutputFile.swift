#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A file open for writing, from its first byte on; `writeAtomically` hands it out.
///
/// ```swift
/// try writeAtomically(to: "numbers.bin") { (file) throws(FormatError) in
///   try file.write([1, 2, 3] as [Float])
/// }
/// ```
public struct OutputFile: ~Copyable, Sendable {
  /// The path that errors name: the target's, not that of the temporary file.
  let path: String
  let descriptor: Int32

  /// `flags` beside those for writing: `O_CREAT | O_EXCL` for a new file, none for a device.
  /// `operation` is what errors say of opening it.
  init(
    opening location: String, flags: Int32, path: String, operation: String = "create"
  ) throws(FormatError) {
    // Only for writing: a network file system may complete the pages of a file that can be read, too,
    // and write back what belongs to another process.
    descriptor = open(location, O_WRONLY | O_CLOEXEC | flags, 0o666)
    self.path = path
    guard descriptor >= 0 else {
      throw .system(path: path, operation: operation, code: errno)
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Appends bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
    var rest = bytes
    while !rest.isEmpty {
      #if canImport(Darwin)
        let count = Darwin.write(descriptor, rest.baseAddress, rest.count)
      #else
        let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      #endif
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw .system(path: path, operation: "write", code: errno) }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Appends the memory of an array of numbers, as it is on this machine (little-endian).
  public func write<Element: BitwiseCopyable>(_ elements: [Element]) throws(FormatError) {
    try elements.withUnsafeBufferPointer { (buffer) throws(FormatError) in
      try write(UnsafeRawBufferPointer(buffer))
    }
  }

  /// Returns once the bytes are on the disk.
  func synchronize() throws(FormatError) {
    guard fsync(descriptor) == 0 else {
      throw .system(path: path, operation: "synchronize", code: errno)
    }
  }
}

/// Puts a file or a folder itself (for a folder: which names it holds) on the disk.
func synchronize(_ path: String) throws(FormatError) {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw .system(path: path, operation: "open", code: errno) }
  defer { close(descriptor) }
  // Some network file systems cannot synchronize a folder (EINVAL): a rename there is on the
  // server when the call returns.
  guard fsync(descriptor) == 0 || errno == EINVAL else {
    throw .system(path: path, operation: "synchronize", code: errno)
  }
}
