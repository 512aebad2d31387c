#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A regular file open for reading at any position; closed at the end of its life.
struct InputFile: ~Copyable, Sendable {
  let path: String
  /// Bytes in the file when it was opened.
  let size: Int
  let descriptor: Int32

  init(path: String) throws(FormatError) {
    // Not blocking: a pipe would be waited for before it could be refused.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw .system(path: path, operation: "open", code: errno)
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw .system(path: path, operation: "examine", code: code)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw .notAFile(path: path)
    }
    self.path = path
    self.size = Int(status.st_size)
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Fills `buffer` with the bytes from `offset` on; `part` names them in the error if the file
  /// ends before.
  func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int, part: String
  ) throws(FormatError) {
    try check(byteCount: buffer.count, at: offset, part: part)
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw .system(path: path, operation: "read", code: errno) }
      // The file was cut while we read it.
      guard count > 0 else {
        throw .truncated(
          path: path, part: part, expected: offset + buffer.count, found: offset + done)
      }
      done += count
    }
  }

  /// `count` elements from `offset` on, read straight into the storage of the array.
  ///
  /// `Element` is a number, any bits of which are a value. The size of the file is checked before
  /// memory is asked for, so a header that lies costs nothing.
  func readArray<Element: BitwiseCopyable>(
    of type: Element.Type, count: Int, at offset: Int, part: String
  ) throws(FormatError) -> [Element] {
    try check(byteCount: count * MemoryLayout<Element>.stride, at: offset, part: part)
    return try [Element](unsafeUninitializedCapacity: count) {
      (buffer, initialized) throws(FormatError) in
      let needed = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
      try read(into: UnsafeMutableRawBufferPointer(needed), at: offset, part: part)
      initialized = count
    }
  }

  /// Makes sure that so many bytes can be held: no more than `memory`, and no more than the system would
  /// give, for an array that it cannot have ends the process.
  func requireMemory(_ byteCount: Int, of memory: Int) throws(FormatError) {
    try Formats.requireMemory(byteCount, of: memory, path: path)
  }

  /// Throws unless the file has so many bytes from `offset` on.
  func check(byteCount: Int, at offset: Int, part: String) throws(FormatError) {
    guard byteCount <= size - offset else {
      throw .truncated(path: path, part: part, expected: offset + byteCount, found: size)
    }
  }
}

/// See `InputFile.requireMemory`.
func requireMemory(_ byteCount: Int, of memory: Int, path: String) throws(FormatError) {
  guard byteCount <= memory else {
    throw .notEnoughMemory(path: path, needed: byteCount, available: memory)
  }
  // A limit of the process (ulimit -v), or more than the machine has. Nothing is touched, so it costs
  // nothing. (Of `malloc` and `free` with nothing between them an optimiser leaves nothing.)
  let size = max(1, byteCount)
  let trial = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  guard let trial, trial != MAP_FAILED else {
    throw .notEnoughMemory(path: path, needed: byteCount, available: 0)
  }
  munmap(trial, size)
}

/// The bytes of a small file that people write: a configuration, a machine model, cases.
///
/// Regular files alone, whatever the path says: every rank of a job reads it for itself, and of a pipe
/// (`/dev/stdin`, `<(…)`) there is only one copy.
///
/// ```swift
/// let text = String(decoding: try contents(of: "run.yaml", limit: 1 << 20), as: UTF8.self)
/// ```
///
/// - Throws: `FormatError`, `.tooLong` if there are more bytes than `limit`.
public func contents(of path: String, limit: Int = .max) throws(FormatError) -> [UInt8] {
  let file = try InputFile(path: path)
  guard file.size <= limit else { throw .tooLong(path: path, limit: limit) }
  try file.requireMemory(file.size, of: .max)
  return try file.readArray(of: UInt8.self, count: file.size, at: 0, part: "file")
}
