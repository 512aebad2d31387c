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
  /// Of a file that is not to stay, should the process end.
  private let registration: TemporaryFiles.Registration?

  /// A file of the folder with this descriptor.
  ///
  /// - Parameters:
  ///   - flags: beside those for writing: `O_CREAT | O_EXCL` for a new file.
  ///   - mode: of a new file, before the process's mask.
  ///   - operation: what errors say of opening it.
  ///   - temporaryPath: of a file that is to be removed if the process ends while it is open.
  init(
    _ name: String, in folder: Int32, _ flags: Int32, mode: mode_t = 0o666, path: String,
    operation: String = "create", temporaryPath: String? = nil
  ) throws(FormatError) {
    // Before it is there: there is no moment in which it could be left behind.
    registration = temporaryPath.flatMap(TemporaryFiles.register)
    // Only for writing: a network file system may complete the pages of a file that can be read, too,
    // and write back what belongs to another process.
    descriptor = openat(folder, name, O_WRONLY | O_CLOEXEC | flags, mode)
    self.path = path
    guard descriptor >= 0 else {
      throw .system(path: path, operation: operation, code: errno)
    }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    TemporaryFiles.unregister(registration)
  }

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

  /// Whether the file is what its path leads to.
  func isInPlace() -> Bool {
    var own = stat()
    var found = stat()
    return fstat(descriptor, &own) == 0 && stat(path, &found) == 0 && own.st_dev == found.st_dev
      && own.st_ino == found.st_ino
  }

  /// Undoes `O_NONBLOCK`, which is for opening alone.
  func waitWhenWriting() throws(FormatError) {
    let flags = fcntl(descriptor, F_GETFL)
    guard flags >= 0, fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) >= 0 else {
      throw .system(path: path, operation: "open", code: errno)
    }
  }

  /// Returns once the bytes are on the disk.
  func synchronize() throws(FormatError) {
    guard fsync(descriptor) == 0 else {
      throw .system(path: path, operation: "synchronize", code: errno)
    }
  }
}
