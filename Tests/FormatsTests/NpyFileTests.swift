import Foundation
import Testing

@testable import Formats

/// Boxes of files whose every element is known by its place.
@Suite struct NpyFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// How the elements lie in a file.
  struct Variant: Sendable, CustomTestStringConvertible {
    let isFortranOrder, isBigEndian: Bool
    let type: NpyHeader.ElementType

    var testDescription: String {
      "\(type)\(isFortranOrder ? ", Fortran" : "")\(isBigEndian ? ", big-endian" : "")"
    }

    static let all = [false, true].flatMap { order in
      [false, true].flatMap { endian in
        [NpyHeader.ElementType.float32, .float64].map {
          Variant(isFortranOrder: order, isBigEndian: endian, type: $0)
        }
      }
    }
  }

  /// The usual limits; and small ones, by which files of some hundred bytes are read in many spans
  /// and pieces.
  static let limits = [
    NpyReadLimits(),
    NpyReadLimits(gap: 24, longRun: 40, span: 100, piece: 64),
    NpyReadLimits(gap: 1000, longRun: 1000, span: 300, piece: 8),
    NpyReadLimits(gap: 0, longRun: 0, span: 0, piece: 0),
  ]

  private func write(_ array: NumberedArray, _ variant: Variant) throws -> String {
    try folder.file(
      "x.npy",
      array.file(isFortranOrder: variant.isFortranOrder, isBigEndian: variant.isBigEndian))
  }

  @Test(arguments: Variant.all) func randomBoxes(variant: Variant) throws {
    var random = SeededGenerator(state: 3)
    for _ in 0..<100 {
      let shape = random.shape(dimensions: 5)
      let array = NumberedArray(shape: shape, type: variant.type)
      let path = try write(array, variant)
      for limits in Self.limits {
        let file = try NpyFile(path: path, limits: limits)
        #expect(file.header.shape == shape)
        for _ in 0..<5 {
          let box = random.box(in: shape)
          #expect(try read(box, of: file) == array.bytes(in: box), "\(box) of \(shape), \(limits)")
        }
      }
    }
  }

  /// Shapes beyond the tiles of a transposition and, with the usual limits, the pieces.
  @Test(arguments: [[70, 90], [200, 3, 20], [17, 1, 33, 2], [2, 5, 1000], [5000]], Variant.all)
  func largerBoxes(shape: [Int], variant: Variant) throws {
    let array = NumberedArray(shape: shape, type: variant.type)
    let path = try write(array, variant)
    let all = shape.map { 0..<$0 }
    let middle = shape.map { ($0 / 4)..<max(1, $0 - $0 / 5) }
    for limits in Self.limits {
      let file = try NpyFile(path: path, limits: limits)
      for box in [all, middle] {
        #expect(try read(box, of: file) == array.bytes(in: box), "\(box), \(limits)")
      }
    }
    let whole = try NpyArray(path: path)
    let bytes =
      switch whole.elements {
      case .float32(let elements): elements.withUnsafeBytes { Array($0) }
      case .float64(let elements): elements.withUnsafeBytes { Array($0) }
      }
    #expect(bytes == array.bytes(in: all))
  }

  /// With the usual limits: two columns of a matrix that takes several spans, and several pieces to
  /// transpose.
  @Test(arguments: [false, true]) func severalSpansAndPieces(isFortranOrder: Bool) throws {
    let shape = [1500, 1100]
    let array = NumberedArray(shape: shape, type: .float32)
    let path = try folder.file(
      "x.npy", array.file(isFortranOrder: isFortranOrder, isBigEndian: false))
    let file = try NpyFile(path: path)
    for box in [[0..<1500, 3..<5], [3..<5, 0..<1100], [1..<1500, 1..<1100]] {
      let found = try read(box, of: file)
      #expect(found == array.bytes(in: box), "\(box)")
    }
  }

  @Test func aBufferAtAnyAddress() throws {
    for variant in Variant.all {
      let array = NumberedArray(shape: [3, 4], type: variant.type)
      let file = try NpyFile(path: write(array, variant))
      let box = [0..<3, 1..<3]
      let count = 6 * variant.type.size
      var bytes = [UInt8](repeating: 0xA5, count: count + 4)
      try bytes.withUnsafeMutableBytes {
        try file.read(box: box, into: UnsafeMutableRawBufferPointer(rebasing: $0[1..<(count + 1)]))
      }
      #expect(bytes == [0xA5] + array.bytes(in: box) + [0xA5, 0xA5, 0xA5])
    }
  }

  @Test func manyThreadsReadOneFile() throws {
    let array = NumberedArray(shape: [40, 50], type: .float64)
    let path = try folder.file("x.npy", array.file(isFortranOrder: true, isBigEndian: true))
    let file = try NpyFile(path: path)
    DispatchQueue.concurrentPerform(iterations: 40) { row in
      let box = [row..<(row + 1), 0..<50]
      #expect((try? read(box, of: file)) == array.bytes(in: box))
    }
  }

  @Test func aFileCutBeforeAndAfterItIsOpened() throws {
    for variant in Variant.all {
      let array = NumberedArray(shape: [6, 5], type: variant.type)
      let path = try write(array, variant)
      let end = try bytes(of: path).count
      let file = try NpyFile(path: path)
      truncate(path, off_t(end - 1))
      #expect(
        throws: FormatError.truncated(path: path, part: "data", expected: end, found: end - 1)
      ) { try NpyFile(path: path) }
      // What is still there can be read; the last element cannot.
      #expect(try read([0..<1, 0..<1], of: file) == array.bytes(in: [0..<1, 0..<1]))
      let error = #expect(throws: FormatError.self) { try read([5..<6, 4..<5], of: file) }
      #expect(
        error == .truncated(path: path, part: "data", expected: end, found: end - 1))
      #expect(throws: FormatError.self) { try read([0..<6, 0..<5], of: file) }
    }
  }

  @Test func boxesOutsideTheShapeAndBuffersOfTheWrongLengthTrap() async {
    await #expect(processExitsWith: .failure) {
      _ = BoxRuns(shape: [2, 3], box: [0..<2, 0..<4], elementSize: 4)
    }
    await #expect(processExitsWith: .failure) {
      _ = BoxRuns(shape: [2, 3], box: [0..<2], elementSize: 4)
    }
    await #expect(processExitsWith: .failure) { _ = try? readTooMuch(isFortranOrder: false) }
    await #expect(processExitsWith: .failure) { _ = try? readTooMuch(isFortranOrder: true) }
  }
}

/// Reads 24 bytes into a buffer of 28.
private func readTooMuch(isFortranOrder: Bool) throws {
  let array = NumberedArray(shape: [2, 3], type: .float32)
  let bytes = array.file(isFortranOrder: isFortranOrder, isBigEndian: false)
  let file: NpyFile
  do {
    // Removed before the trap, after which nothing is.
    let folder = try TemporaryFolder()
    file = try NpyFile(path: folder.file("x.npy", bytes))
  }
  var buffer = [UInt8](repeating: 0, count: 28)
  try buffer.withUnsafeMutableBytes { try file.read(box: [0..<2, 0..<3], into: $0) }
}
