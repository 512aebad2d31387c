/// An open `.npy` file of which boxes are read: no process needs to hold the whole array.
///
/// ```swift
/// let file = try NpyFile(path: "images.npy")                 // shape [60000, 28, 28], float32
/// var images = [Float](repeating: 0, count: 100 * 28 * 28)
/// try images.withUnsafeMutableBytes {
///   try file.read(box: [200..<300, 0..<28, 0..<28], into: $0)
/// }
/// ```
///
/// Threads may read from one file at the same time. It is closed at the end of its life.
public final class NpyFile: Sendable {
  public let header: NpyHeader
  private let file: InputFile
  private let limits: NpyReadLimits

  /// Opens a file and reads its header.
  ///
  /// - Throws: `FormatError` if this is no npy file, if its elements are not float32 or float64, or
  ///   if it is shorter or longer than its header says.
  public convenience init(path: String) throws(FormatError) {
    try self.init(path: path, limits: NpyReadLimits())
  }

  init(path: String, limits: NpyReadLimits) throws(FormatError) {
    file = try InputFile(path: path)
    header = try NpyHeader(file)
    self.limits = limits
  }

  /// Reads a box: in C order (last dimension contiguous) without gaps, in this machine's byte order,
  /// whatever order and byte order the file has.
  ///
  /// Beside the buffer this takes up to 1 MiB for a box in many pieces, and 4 MiB more for a file in
  /// Fortran order.
  ///
  /// - Parameters:
  ///   - box: A range within `0..<extent` for every extent of the shape; `[]` for a scalar.
  ///   - buffer: As many bytes as the box has.
  /// - Throws: `FormatError` if the file cannot be read, or was cut since it was opened.
  public func read(
    box: [Range<Int>], into buffer: UnsafeMutableRawBufferPointer
  ) throws(FormatError) {
    let elementSize = header.elementType.size
    if header.isFortranOrder {
      try readColumnMajor(box: box, into: buffer)
    } else {
      try readRowMajor(
        BoxRuns(shape: header.shape, box: box, elementSize: elementSize), into: buffer)
    }
    if header.isBigEndian { swapBytes(buffer, elementSize: elementSize) }
  }

  /// The whole array, of which `Element` is the type.
  func readAll<Element: BitwiseCopyable>(of type: Element.Type) throws(FormatError) -> [Element] {
    try [Element](unsafeUninitializedCapacity: header.count) {
      (elements, initialized) throws(FormatError) in
      let needed = UnsafeMutableBufferPointer(rebasing: elements[..<header.count])
      try read(
        box: header.shape.map { 0..<$0 }, into: UnsafeMutableRawBufferPointer(needed))
      initialized = header.count
    }
  }

  /// Reads runs, one after another into the buffer; short ones many at a time, with what is between
  /// them.
  private func readRowMajor(
    _ runs: BoxRuns, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FormatError) {
    precondition(
      buffer.count == runs.count * runs.byteCount,
      "a box of \(runs.count * runs.byteCount) bytes for a buffer of \(buffer.count)")
    let isDirect = runs.byteCount > limits.longRun || runs.count < 2
    let scratch = UnsafeMutableRawBufferPointer.allocate(
      byteCount: isDirect ? 0 : limits.span, alignment: 16)
    defer { scratch.deallocate() }

    var done = 0
    func next(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
      defer { done += byteCount }
      return UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + byteCount)])
    }
    var offsets = runs.makeIterator()
    var ahead = offsets
    while let span = ahead.nextSpan(
      largestGap: limits.gap, largestSpan: isDirect ? 0 : limits.span)
    {
      let position = header.dataOffset + span.offset
      guard span.runCount > 1 else {
        _ = offsets.next()
        try file.read(into: next(span.byteCount), at: position, part: "data")
        continue
      }
      let bytes = UnsafeMutableRawBufferPointer(rebasing: scratch[..<span.byteCount])
      try file.read(into: bytes, at: position, part: "data")
      for _ in 0..<span.runCount {
        guard let offset = offsets.next() else { break }
        let start = offset - span.offset
        next(runs.byteCount).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + runs.byteCount)]))
      }
    }
  }

  /// Reads a box of a file in Fortran order: its bytes are those of the transposed array in C order,
  /// so that of the transposed box, piece by piece, and each piece is transposed.
  private func readColumnMajor(
    box: [Range<Int>], into buffer: UnsafeMutableRawBufferPointer
  ) throws(FormatError) {
    let elementSize = header.elementType.size
    let shape = Array(header.shape.reversed())
    let box = Array(box.reversed())
    let runs = BoxRuns(shape: shape, box: box, elementSize: elementSize)
    guard let transposition = BoxTransposition(box, byteLimit: limits.piece, elementSize),
      let base = buffer.baseAddress
    else {
      return try readRowMajor(runs, into: buffer)
    }
    precondition(
      buffer.count == runs.count * runs.byteCount,
      "a box of \(runs.count * runs.byteCount) bytes for a buffer of \(buffer.count)")
    let scratch = UnsafeMutableRawBufferPointer.allocate(
      byteCount: transposition.pieceByteCount, alignment: 16)
    defer { scratch.deallocate() }
    guard let source = scratch.baseAddress else { return }
    var position = transposition.firstPosition
    repeat {
      let piece = transposition.piece(at: position)
      let runs = BoxRuns(shape: shape, box: piece.box, elementSize: elementSize)
      let bytes = UnsafeMutableRawBufferPointer(rebasing: scratch[..<(runs.count * runs.byteCount)])
      try readRowMajor(runs, into: bytes)
      transposition.store(piece, from: source, to: base)
    } while transposition.advance(&position)
  }
}

/// How boxes are read; all in bytes. Tests take less, so that small files meet every case.
struct NpyReadLimits: Sendable {
  /// Runs at most this far apart are read together with what is between them. From memory the useless
  /// bytes take some microseconds, longer than one more call; but a disk, and more so a server,
  /// takes at least a tenth of a millisecond for each place it is asked for.
  var gap = 64 << 10
  /// Longer runs go straight to where they belong: copying them takes longer than a call.
  var longRun = 32 << 10
  /// The longest read of several runs; stays in the second-level cache.
  var span = 1 << 20
  /// The largest piece to be transposed.
  var piece = 4 << 20
}

/// Reverses the bytes of each element, of 4 or 8 bytes, at any address.
private func swapBytes(_ bytes: UnsafeMutableRawBufferPointer, elementSize: Int) {
  if elementSize == 4 {
    for offset in stride(from: 0, to: bytes.count, by: 4) {
      let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      bytes.storeBytes(of: bits.byteSwapped, toByteOffset: offset, as: UInt32.self)
    }
  } else {
    for offset in stride(from: 0, to: bytes.count, by: 8) {
      let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      bytes.storeBytes(of: bits.byteSwapped, toByteOffset: offset, as: UInt64.self)
    }
  }
}
