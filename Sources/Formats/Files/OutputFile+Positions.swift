#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Writing at any position, for files that several processes write.
extension OutputFile {
  /// Writes bytes that begin at `offset` of the file.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FormatError) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw .system(path: path, operation: "write", code: errno) }
      done += count
    }
  }

  /// Makes the file this long, on blocks of its own, so that a full disk is found now and not when
  /// hours of work are to be written.
  ///
  /// Where the file system cannot reserve blocks, glibc writes one byte to each; other C libraries
  /// refuse, and then the file gets its length only.
  func reserve(byteCount: Int) throws(FormatError) {
    var code = EOPNOTSUPP
    #if !canImport(Darwin)
      repeat { code = posix_fallocate(descriptor, 0, off_t(byteCount)) } while code == EINTR
    #endif
    if [EOPNOTSUPP, EINVAL].contains(code) {
      code = ftruncate(descriptor, off_t(byteCount)) == 0 ? 0 : errno
    }
    guard code == 0 else {
      throw .system(path: path, operation: "reserve \(byteCount) bytes", code: code)
    }
  }

  /// Bytes in the file; nil for a device.
  func size() throws(FormatError) -> Int? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .system(path: path, operation: "examine", code: errno)
    }
    return status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
  }

  /// Whether this is no pipe and no terminal.
  var isSeekable: Bool { lseek(descriptor, 0, SEEK_CUR) >= 0 }
}
