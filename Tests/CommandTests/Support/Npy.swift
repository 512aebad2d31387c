import Foundation

/// npy files made and read by the letter of numpy's format description (NEP 1), apart from the code
/// under test.
enum Npy {
  enum Element: String, CaseIterable, Sendable {
    case float32 = "<f4"
    case float64 = "<f8"
  }

  struct Array: Equatable {
    var element: Element
    var isFortranOrder: Bool
    var shape: [Int]
    /// As they stand in the file.
    var elements: [Double]
  }

  struct Unreadable: Error { let problem: String }

  /// A version 1.0 file.
  static func file(_ array: Array) -> Data {
    let elements =
      switch array.element {
      case .float32: array.elements.map { Float($0) }.withUnsafeBytes { Data($0) }
      case .float64: array.elements.withUnsafeBytes { Data($0) }
      }
    return header(
      element: array.element.rawValue, isFortranOrder: array.isFortranOrder, shape: array.shape)
      + elements
  }

  static func header(element: String, isFortranOrder: Bool, shape: [Int]) -> Data {
    var text =
      "{'descr': '\(element)', 'fortran_order': \(isFortranOrder ? "True" : "False"), 'shape': "
      + "(\(shape.map { "\($0)," }.joined(separator: " "))), }"
    while (10 + text.utf8.count + 1) % 64 != 0 { text += " " }
    text += "\n"
    let count = text.utf8.count
    return Data([0x93] + "NUMPY".utf8 + [1, 0, UInt8(count % 256), UInt8(count / 256)] + text.utf8)
  }

  static func read(_ data: Data) throws -> Array {
    let bytes = [UInt8](data)
    guard bytes.count > 10, Swift.Array(bytes[0..<8]) == [0x93] + "NUMPY".utf8 + [1, 0] else {
      throw Unreadable(problem: "no npy 1.0 file")
    }
    let start = 10 + Int(bytes[8]) + 256 * Int(bytes[9])
    guard start <= bytes.count, start.isMultiple(of: 64) else {
      throw Unreadable(problem: "the header ends at byte \(start)")
    }
    let header = String(decoding: bytes[10..<start], as: UTF8.self)
    let pattern = try Regex(
      #"\{'descr': '(<f[48])', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n"#,
      as: (Substring, Substring, Substring, Substring).self)
    guard let match = try pattern.wholeMatch(in: header),
      let element = Element(rawValue: String(match.output.1))
    else { throw Unreadable(problem: "the header is \(header)") }
    let shape = match.output.3.split { ", ".contains($0) }.compactMap { Int($0) }
    let rest = Swift.Array(bytes[start...])
    let elements: [Double] = rest.withUnsafeBytes { rest in
      switch element {
      case .float32: rest.bindMemory(to: Float.self).map { Double($0) }
      case .float64: Swift.Array(rest.bindMemory(to: Double.self))
      }
    }
    guard elements.count == shape.reduce(1, *) else {
      throw Unreadable(problem: "\(elements.count) elements in shape \(shape)")
    }
    return Array(
      element: element, isFortranOrder: match.output.2 == "True", shape: shape, elements: elements)
  }
}

extension TestFolder {
  /// Writes `count` elements 0, 1, 2 … in row-major order.
  func writeCounting(
    _ name: String, shape: [Int], element: Npy.Element = .float32
  ) throws {
    let count = shape.reduce(1, *)
    try write(
      name,
      Npy.file(
        .init(
          element: element, isFortranOrder: false, shape: shape,
          elements: (0..<count).map { Double($0) })))
  }
}
