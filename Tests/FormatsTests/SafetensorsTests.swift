import Testing

@testable import Formats

/// safetensors files against bytes that the reference wrote (`Goldens`), and round trips.
@Suite struct SafetensorsTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let goldenMetadata = ["note\né\u{1}\u{7F}/": "v\"\\"]
  /// In the order of the golden file: by width, then by name.
  static let goldenTensors: [Safetensors.NamedTensor] = [
    .init(name: "i", shape: [2], elements: .int64([-1, 7])),
    .init(name: "c", shape: [], elements: .float64([1.5])),
    .init(name: "b", shape: [2], elements: .float32([0.5, -2])),
    .init(name: "z", shape: [0, 3], elements: .float32([])),
    .init(name: "a", shape: [3], elements: .uint8([0, 1, 2])),
  ]

  @Test func readsWhatTheReferenceWrote() throws {
    let path = try folder.file("w.safetensors", golden(Goldens.safetensors))
    let file = try Safetensors(path: path)
    #expect(file.tensors == Self.goldenTensors)
    #expect(file.metadata == Self.goldenMetadata)
    #expect(file["b"]?.elements == .float32([0.5, -2]))
    #expect(file["missing"] == nil)
  }

  @Test func writesTheBytesOfTheReference() throws {
    // The order of the array does not matter.
    let file = Safetensors(tensors: Self.goldenTensors.reversed(), metadata: Self.goldenMetadata)
    try file.write(to: folder("w.safetensors"))
    #expect(try bytes(of: folder("w.safetensors")) == golden(Goldens.safetensors))
  }

  @Test func nothingAtAll() throws {
    try Safetensors().write(to: folder("w.safetensors"))
    #expect(try bytes(of: folder("w.safetensors")) == [8, 0, 0, 0, 0, 0, 0, 0] + "{}      ".utf8)
    #expect(try Safetensors(path: folder("w.safetensors")) == Safetensors())
  }

  /// Headers of every length modulo 8, names and values of every kind of character.
  @Test(arguments: 0..<9) func roundTrip(length: Int) throws {
    let name = String(repeating: "ü😀\"\\\n\u{0}", count: 2) + String(repeating: "x", count: length)
    let file = Safetensors(
      tensors: [
        .init(name: name, shape: [1, 2, 1], elements: .float64([.nan.nextUp, -0.0])),
        .init(name: "", shape: [1], elements: .float32([.leastNonzeroMagnitude])),
      ],
      metadata: ["b": name, name: "", "a": "{\"nested\": [1]}"])
    try file.write(to: folder("w.safetensors"))
    let bytes = try bytes(of: folder("w.safetensors"))
    #expect((bytes.count - 8 - 20).isMultiple(of: 8))
    let read = try Safetensors(path: folder("w.safetensors"))
    #expect(read.metadata == file.metadata)
    #expect(read.tensors[1] == file.tensors[1])
    guard case .float64(let elements)? = read[name]?.elements else {
      Issue.record("the tensor is missing or of another type")
      return
    }
    #expect(elements.map(\.bitPattern) == [Double.nan.nextUp, -0.0].map(\.bitPattern))
  }

  /// Escapes that the reference never writes but reads, and spaces between all parts.
  @Test func readsAnyFormOfTheHeader() throws {
    let path = try folder.file(
      "w.safetensors",
      safetensorsFile(
        #"{ "\u0061\/\ud83d\uDE00" : { "shape":[ 1 , 1 ] ,"data_offsets":[0,1],"dtype":"U8"} }"#,
        data: [9]))
    #expect(
      try Safetensors(path: path).tensors
        == [.init(name: "a/😀", shape: [1, 1], elements: .uint8([9]))])
  }

  @Test func namesThatCannotBeWritten() throws {
    let tensor = Safetensors.NamedTensor(name: "w", shape: [], elements: .uint8([1]))
    let reserved = Safetensors.NamedTensor(name: "__metadata__", shape: [0], elements: .uint8([]))
    let path = folder("w.safetensors")
    #expect(throws: FormatError.duplicateName(path: path, name: "w")) {
      try Safetensors(tensors: [tensor, tensor]).write(to: path)
    }
    #expect(throws: FormatError.reservedName(path: path, name: "__metadata__")) {
      try Safetensors(tensors: [reserved]).write(to: path)
    }
    #expect(try folder.names == [])
  }
}

/// A file with any text as its header.
func safetensorsFile(_ header: String, data: [UInt8] = []) -> [UInt8] {
  let length = header.utf8.count
  return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(header.utf8) + data
}
