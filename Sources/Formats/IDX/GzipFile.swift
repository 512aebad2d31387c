import CZlib

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A file read from start to end, unpacked on the way if it is packed by gzip.
struct GzipFile: ~Copyable {
  private let path: String
  private let handle: gzFile
  /// Bytes of the file as it is, packed or plain.
  private let size: Int
  /// Bytes that one `read` may return.
  private let memory: Int

  init(path: String, memory: Int) throws(FormatError) {
    let file = try InputFile(path: path)
    // zlib closes the descriptor it is given, and so does `file`: each gets its own.
    let descriptor = dup(file.descriptor)
    guard descriptor >= 0 else { throw .system(path: path, operation: "open", code: errno) }
    guard let handle = gzdopen(descriptor, "rb") else {
      close(descriptor)
      throw .system(path: path, operation: "open", code: ENOMEM)
    }
    // Fewer, larger reads than with zlib's 8 KiB.
    gzbuffer(handle, 256 << 10)
    self.path = path
    self.handle = handle
    self.memory = memory
    size = file.size
  }

  deinit { gzclose_r(handle) }

  /// The next `count` bytes; `part` names them in the error if the file ends before.
  func read(_ count: Int, part: String) throws(FormatError) -> [UInt8] {
    let start = Int(gztell(handle))
    // Before memory is asked for: a header that lies must not cost any.
    guard count <= unpackedLimit - start else {
      guard gzdirect(handle) == 1 else {
        throw .compressedTooShort(
          path: path, part: part, expected: start + count, most: unpackedLimit)
      }
      throw .truncated(path: path, part: part, expected: start + count, found: size)
    }
    try requireMemory(count, of: memory, path: path)
    return try [UInt8](unsafeUninitializedCapacity: count) {
      (buffer, initialized) throws(FormatError) in
      while initialized < count {
        let got = try readSome(UnsafeMutableBufferPointer(rebasing: buffer[initialized..<count]))
        guard got > 0 else {
          throw .truncated(
            path: path, part: part, expected: start + count, found: start + initialized)
        }
        initialized += got
      }
    }
  }

  /// Throws if data is left; only here does zlib compare the checksum at the end of a packed file.
  func expectEnd() throws(FormatError) {
    let position = Int(gztell(handle))
    let isEnd = try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1) {
      (buffer) throws(FormatError) in try readSome(buffer) == 0
    }
    guard isEnd else { throw .trailingData(path: path, position: position) }
  }

  /// Bytes that there can be at most once the file is unpacked.
  private var unpackedLimit: Int {
    if gzdirect(handle) == 1 { return size }
    // Deflate packs at most 258 bytes into 2 bits, a factor of 1032 (zlib's technical notes).
    let (limit, overflow) = size.multipliedReportingOverflow(by: 1032)
    return overflow ? .max : limit
  }

  /// Reads up to as many bytes as the buffer has, at least one unless the file is at its end.
  private func readSome(_ buffer: UnsafeMutableBufferPointer<UInt8>) throws(FormatError) -> Int {
    let got = gzread(handle, buffer.baseAddress, UInt32(min(buffer.count, 1 << 30)))
    if got > 0 { return Int(got) }
    // A packed file that ends in the middle makes gzread return 0, as a whole one does at its end;
    // only the error differs.
    var code: Int32 = 0
    let message = gzerror(handle, &code).map { String(cString: $0) } ?? ""
    if got == 0 && (code == Z_OK || code == Z_STREAM_END) { return 0 }
    if code == Z_ERRNO { throw .system(path: path, operation: "read", code: errno) }
    // zlib starts its message with a name of the file, which it knows by number only.
    let reason = message.split(separator: ">: ", maxSplits: 1).last.map(String.init)
    throw .corruptCompression(path: path, reason: reason ?? "zlib error \(code)")
  }
}
