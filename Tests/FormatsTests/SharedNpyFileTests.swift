import Foundation
import Testing

@testable import Formats

@Suite struct SharedNpyFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The creating object and others that opened what it made.
  private func writers(
    _ count: Int, _ path: String, _ array: NumberedArray
  ) throws -> [SharedNpyFile] {
    let first = try SharedNpyFile.create(
      path: path, shape: array.shape, elementType: array.type)
    return try [first]
      + (1..<count).map { _ in
        try SharedNpyFile(
          opening: first.temporaryPath, path: path, shape: array.shape, elementType: array.type)
      }
  }

  /// The bytes that `NpyArray` writes.
  private func whole(_ array: NumberedArray) throws -> [UInt8] {
    let path = folder("whole.npy")
    try array.bytes(in: array.shape.map { 0..<$0 }).withUnsafeBytes {
      try NpyArray.write($0, shape: array.shape, elementType: array.type, to: path)
    }
    return try bytes(of: path)
  }

  /// Every extent cut at random places, some of them twice; all boxes of the grid, shuffled.
  private func partition(_ shape: [Int], _ random: inout SeededGenerator) -> [[Range<Int>]] {
    let parts = shape.map { extent in
      let cuts = (0..<Int.random(in: 0...3, using: &random)).map { _ in
        Int.random(in: 0...extent, using: &random)
      }
      let ends = ([0] + cuts + [extent]).sorted()
      return zip(ends, ends.dropFirst()).map { $0..<$1 }
    }
    let boxes = parts.reduce([[]]) { boxes, ranges in
      boxes.flatMap { box in ranges.map { box + [$0] } }
    }
    return boxes.shuffled(using: &random)
  }

  @Test func randomPartitionsOverThreeWriters() throws {
    var random = SeededGenerator(state: 5)
    let path = folder("x.npy")
    for round in 0..<60 {
      let array = NumberedArray(
        shape: random.shape(dimensions: 4), type: round.isMultiple(of: 2) ? .float32 : .float64)
      let writers = try writers(3, path, array)
      for (number, box) in partition(array.shape, &random).enumerated() {
        try write(box, of: array, to: writers[number % 3])
      }
      for writer in writers { try writer.synchronize() }
      try writers[0].finish()
      #expect(try bytes(of: path) == whole(array), "\(array.shape)")
    }
    #expect(try folder.names == ["whole.npy", "x.npy"])
  }

  @Test func threadsWriteColumnsAtTheSameTime() throws {
    let array = NumberedArray(shape: [300, 64], type: .float32)
    let writers = try writers(4, folder("x.npy"), array)
    DispatchQueue.concurrentPerform(iterations: 16) { part in
      let box = [0..<300, (part * 4)..<(part * 4 + 4)]
      do { try write(box, of: array, to: writers[part % 4]) } catch { Issue.record(error) }
    }
    try writers[0].finish()
    #expect(try bytes(of: folder("x.npy")) == whole(array))
  }

  /// A box never reaches into what others wrote: the bytes around it stay as they were.
  @Test func bytesOutsideTheBoxAreNotTouched() throws {
    let array = NumberedArray(shape: [5, 6], type: .float64)
    let file = try SharedNpyFile.create(
      path: folder("x.npy"), shape: array.shape, elementType: array.type)
    let size = file.header.dataOffset + file.header.byteCount
    let before = try bytes(of: file.temporaryPath)
    #expect(before.count == size)
    let box = [1..<4, 2..<5]
    try write(box, of: array, to: file)
    let after = try bytes(of: file.temporaryPath)
    for index in indices([0..<5, 0..<6]) {
      let start = file.header.dataOffset + (index[0] * 6 + index[1]) * 8
      let isInside = zip(box, index).allSatisfy { $0.contains($1) }
      #expect(
        Array(after[start..<(start + 8)])
          == (isInside ? array.bytes(at: [index]) : .init(repeating: 0, count: 8)))
    }
    #expect(after.prefix(file.header.dataOffset) == before.prefix(file.header.dataOffset))
  }

  @Test func theOldFileStaysUntilTheEnd() throws {
    let path = try folder.file("x.npy", [1, 2, 3])
    let array = NumberedArray(shape: [2], type: .float32)
    let file = try SharedNpyFile.create(path: path, shape: [2], elementType: .float32)
    #expect(file.path == path)
    #expect(file.temporaryPath.hasPrefix(folder(".x.npy.")))
    #expect(file.temporaryPath.hasSuffix(".partial"))
    try write([0..<2], of: array, to: file)
    try file.synchronize()
    #expect(try bytes(of: path) == [1, 2, 3])
    try file.finish()
    #expect(try NpyHeader(path: path) == file.header)
    #expect(try folder.names == ["x.npy"])
  }

  @Test func followsALink() throws {
    try FileManager.default.createDirectory(
      atPath: folder("below"), withIntermediateDirectories: false)
    let path = try folder.file("below/x.npy", [1])
    try FileManager.default.createSymbolicLink(
      atPath: folder("link"), withDestinationPath: "below/x.npy")
    let file = try SharedNpyFile.create(path: folder("link"), shape: [], elementType: .float32)
    #expect(file.temporaryPath.contains("/below/."))
    try write([], of: NumberedArray(shape: [], type: .float32), to: file)
    try file.finish()
    #expect(try NpyArray(path: path) == NpyArray(shape: [], elements: .float32([1])))
    #expect(
      try FileManager.default.destinationOfSymbolicLink(atPath: folder("link")) == "below/x.npy")
  }

  @Test func nothingIsLeftOfWhatIsNotFinished() throws {
    let path = try folder.file("x.npy", [1, 2, 3])
    let array = NumberedArray(shape: [3], type: .float32)
    // By any of the objects.
    for number in 0..<2 {
      let writers = try writers(2, path, array)
      try write([0..<2], of: array, to: writers[1])
      #expect(try folder.names.count == 2)
      writers[number].discard()
      #expect(try folder.names == ["x.npy"])
      let error = #expect(throws: FormatError.self) { try writers[0].finish() }
      #expect(
        error
          == .system(path: path, operation: "rename the finished file to", code: ENOENT))
    }
    // By the end of the creating object, not by that of another.
    do {
      var other: SharedNpyFile?
      let first = try SharedNpyFile.create(path: path, shape: [3], elementType: .float32)
      other = try SharedNpyFile(
        opening: first.temporaryPath, path: path, shape: [3], elementType: .float32)
      try other.map { try write([0..<2], of: array, to: $0) }
      other = nil
      #expect(try folder.names.count == 2)
      try write([2..<3], of: array, to: first)
    }
    #expect(try folder.names == ["x.npy"])
    #expect(try bytes(of: path) == [1, 2, 3])
  }

  @Test func openingWhatIsNotTheFile() throws {
    let path = folder("x.npy")
    let missing = folder(".x.npy.1.partial")
    func open(_ temporary: String) throws {
      _ = try SharedNpyFile(
        opening: temporary, path: path, shape: [2], elementType: .float32)
    }
    let error = #expect(throws: FormatError.self) { try open(missing) }
    #expect(
      error?.description == "\(path): cannot open '\(missing)', made by another process "
        + "(do all share this folder?): No such file or directory")
    let short = try folder.file("short", [UInt8](repeating: 0, count: 135))
    #expect(
      throws: FormatError.truncated(
        path: path, part: "file being written", expected: 136, found: 135)
    ) { try open(short) }
    let long = try folder.file("long", [UInt8](repeating: 0, count: 137))
    #expect(throws: FormatError.trailingData(path: path, position: 136)) { try open(long) }
    #expect(try folder.names == ["long", "short"])
  }

  @Test func placesWhereNoFileCanBe() throws {
    func create(_ path: String, _ shape: [Int] = [2]) throws {
      _ = try SharedNpyFile.create(path: path, shape: shape, elementType: .float64)
    }
    let missing = folder("missing/x.npy")
    let error = #expect(throws: FormatError.self) { try create(missing) }
    #expect(error?.description == "\(missing): cannot create: No such file or directory")
    #expect(throws: FormatError.notAFile(path: folder.path)) { try create(folder.path) }
    let huge = [1 << 40, 1 << 30]
    #expect(throws: FormatError.shapeTooLarge(path: folder("x"), tensor: nil, shape: huge)) {
      try create(folder("x"), huge)
    }
    let pipe = folder("pipe")
    try #require(mkfifo(pipe, 0o600) == 0)
    let refused = #expect(throws: FormatError.self) { try create(pipe) }
    #expect(
      refused?.description == "\(pipe): this is a pipe or a terminal, and several processes, each "
        + "at a position of its own, cannot write to it; name a file")
    #expect(try folder.names == ["pipe"])
  }

  /// As root a careless rename or removal would take the device away.
  @Test func devicesAreWrittenDirectly() throws {
    let array = NumberedArray(shape: [3, 4], type: .float32)
    for finishes in [true, false] {
      let writers = try writers(2, "/dev/null", array)
      #expect(writers[0].temporaryPath == "/dev/null")
      for (column, writer) in writers.enumerated() {
        try write([0..<3, (2 * column)..<(2 * column + 2)], of: array, to: writer)
        try writer.synchronize()
      }
      if finishes { try writers[0].finish() } else { writers[1].discard() }
    }
    #expect(try OutputPlace("/dev/null").kind == .device)
  }

  /// A terminal is a device, but has no positions.
  @Test func aTerminalIsRefused() throws {
    #expect(throws: FormatError.notSeekable(path: "/dev/ptmx")) {
      _ = try SharedNpyFile.create(path: "/dev/ptmx", shape: [2], elementType: .float32)
    }
  }

  @Test func aFullDeviceIsNamed() throws {
    let full = FormatError.system(path: "/dev/full", operation: "write", code: ENOSPC)
    #expect(throws: full) {
      _ = try SharedNpyFile.create(path: "/dev/full", shape: [2], elementType: .float32)
    }
    let array = NumberedArray(shape: [2], type: .float32)
    let file = try SharedNpyFile(
      opening: "/dev/full", path: "/dev/full", shape: [2], elementType: .float32)
    #expect(throws: full) { try write([0..<2], of: array, to: file) }
  }

  /// More than any disk has: found when the file is created, and nothing is left of it.
  @Test func moreThanTheDiskHolds() throws {
    let error = #expect(throws: FormatError.self) {
      _ = try SharedNpyFile.create(
        path: folder("x.npy"), shape: [1 << 58], elementType: .float64)
    }
    let expected = [ENOSPC, EFBIG].map {
      FormatError.system(
        path: folder("x.npy"), operation: "reserve \(1 << 61 + 128) bytes", code: $0)
    }
    #expect(error.map(expected.contains) == true)
    #expect(try folder.names == [])
  }

  @Test(.enabled(if: SmallDisk.canMount, "only root can mount a small disk"))
  func aFullDiskIsFoundBeforeTheWorkAndLeavesNothing() throws {
    let disk = try #require(SmallDisk(.tmpfs))
    let path = disk.path + "/x.npy"
    let large = #expect(throws: FormatError.self) {
      _ = try SharedNpyFile.create(path: path, shape: [20_000], elementType: .float32)
    }
    #expect(
      large?.description == "\(path): cannot reserve 80128 bytes: No space left on device")
    #expect(try disk.names == [])
    // One file has its blocks; another then has not.
    let array = NumberedArray(shape: [10_000], type: .float32)
    let file = try SharedNpyFile.create(path: path, shape: [10_000], elementType: .float32)
    #expect(throws: FormatError.self) {
      _ = try SharedNpyFile.create(path: path, shape: [10_000], elementType: .float32)
    }
    try write([0..<10_000], of: array, to: file)
    try file.finish()
    #expect(try bytes(of: path) == whole(array))
    #expect(try disk.names == ["x.npy"])
  }

  @Test(.enabled(if: SmallDisk.canMount, "only root can mount a disk"))
  func aFileSystemThatCannotReserve() throws {
    let disk = try #require(SmallDisk(.ramfs))
    let array = NumberedArray(shape: [3, 5000], type: .float64)
    let writers = try writers(3, disk.path + "/x.npy", array)
    for row in 0..<3 { try write([row..<(row + 1), 0..<5000], of: array, to: writers[row]) }
    try writers[0].finish()
    #expect(try bytes(of: disk.path + "/x.npy") == whole(array))
  }
}

private func write(_ box: [Range<Int>], of array: NumberedArray, to file: SharedNpyFile) throws {
  try array.bytes(in: box).withUnsafeBytes { try file.write(box: box, from: $0) }
}
