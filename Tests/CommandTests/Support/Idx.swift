import Foundation

/// IDX files made by the letter of their description (http://yann.lecun.com/exdb/mnist).
enum Idx {
  /// The largest sides of the images: enough for the demo network's two pools.
  static let side = 8

  /// A file of unsigned bytes: two zeros, the type 8, the number of dimensions, each extent in four
  /// bytes, the largest first, and the elements.
  static func file(shape: [Int], _ elements: [UInt8]) -> Data {
    var bytes: [UInt8] = [0, 0, 8, UInt8(shape.count)]
    for extent in shape {
      bytes += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: extent >> $0) }
    }
    return Data(bytes + elements)
  }
}

extension TestFolder {
  /// A data set of four plain IDX files in the folder `name`: 12 training and 6 test images of 3
  /// classes, each class bright in its own row.
  func writeDataSet(_ name: String) throws {
    try makeFolder(name)
    for (part, count) in [("train", 12), ("t10k", 6)] {
      let labels = (0..<count).map { UInt8($0 % 3) }
      let images = labels.flatMap { label in
        (0..<Idx.side * Idx.side).map { $0 / Idx.side == Int(label) ? UInt8(255) : UInt8($0) }
      }
      try write(
        "\(name)/\(part)-images-idx3-ubyte",
        Idx.file(shape: [count, Idx.side, Idx.side], images))
      try write("\(name)/\(part)-labels-idx1-ubyte", Idx.file(shape: [count], labels))
    }
  }
}
