@testable import Formats

/// The bytes of a box, read into a buffer of just that size.
func read(_ box: [Range<Int>], of file: NpyFile) throws -> [UInt8] {
  let count = box.reduce(file.header.elementType.size) { $0 * $1.count }
  // Not what any of the files holds, so that an element that is not written is noticed.
  var bytes = [UInt8](repeating: 0xA5, count: count)
  try bytes.withUnsafeMutableBytes { try file.read(box: box, into: $0) }
  return bytes
}

/// All indices of a box, the last position fastest.
func indices(_ box: [Range<Int>]) -> [[Int]] {
  box.reduce([[]]) { prefixes, range in
    prefixes.flatMap { prefix in range.map { prefix + [$0] } }
  }
}

/// Arrays whose element (i, j, …) is a number made of i, j, …: known at every place, in any order.
struct NumberedArray {
  let shape: [Int]
  let type: NpyHeader.ElementType

  /// Little-endian bytes of the elements at these indices.
  func bytes(at indices: [[Int]], isBigEndian: Bool = false) -> [UInt8] {
    func bytes(_ bits: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: isBigEndian ? bits.bigEndian : bits.littleEndian) { Array($0) }
    }
    return indices.flatMap { index in
      let number = index.reduce(1) { $0 * 31 + $1 }
      return type == .float32
        ? bytes(Float(number).bitPattern) : bytes((Double(number) / 3).bitPattern)
    }
  }

  func bytes(in box: [Range<Int>]) -> [UInt8] { bytes(at: indices(box)) }

  /// The array as a file.
  func file(isFortranOrder: Bool, isBigEndian: Bool) -> [UInt8] {
    let extents = shape.map { 0..<$0 }
    let inOrder =
      isFortranOrder
      ? indices(extents.reversed()).map { Array($0.reversed()) } : indices(extents)
    let letters = (isBigEndian ? ">" : "<") + (type == .float32 ? "f4" : "f8")
    let tuple = shape.map { "\($0)," }.joined()
    return npyFile(
      "{'descr': '\(letters)', 'fortran_order': \(isFortranOrder ? "True" : "False"), "
        + "'shape': (\(tuple))}", data: bytes(at: inOrder, isBigEndian: isBigEndian))
  }
}

extension SeededGenerator {
  /// Up to `dimensions` extents, mostly small, few of them 0.
  mutating func shape(dimensions: Int) -> [Int] {
    (0..<Int.random(in: 0...dimensions, using: &self)).map { _ in
      Int.random(in: 0..<20, using: &self) == 0 ? 0 : Int.random(in: 1...7, using: &self)
    }
  }

  /// A box of an array, in every other dimension the whole, seldom empty.
  mutating func box(in shape: [Int]) -> [Range<Int>] {
    shape.map { extent in
      guard Bool.random(using: &self) else { return 0..<extent }
      let ends = [
        Int.random(in: 0...extent, using: &self), Int.random(in: 0...extent, using: &self),
      ]
      return min(ends[0], ends[1])..<max(ends[0], ends[1])
    }
  }
}
