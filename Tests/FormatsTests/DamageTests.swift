import Testing

@testable import Formats

/// Damaged files of every format: reading one throws `FormatError` or gives a value, and never traps.
@Suite struct DamageTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  enum Format: String, CaseIterable, Sendable {
    case npy, npyFortran, npyVersion2, safetensors, idx, idxGzip

    func whole() throws -> [UInt8] {
      switch self {
      case .npy: try golden(Goldens.float32)
      case .npyFortran: try golden(Goldens.fortranOrder)
      case .npyVersion2: try golden(Goldens.bigEndianVersion2)
      case .safetensors: try golden(Goldens.safetensors)
      case .idx: IDXTests.plain
      case .idxGzip: try golden(Goldens.idxGzip)
      }
    }

    func read(_ path: String) throws(FormatError) {
      switch self {
      case .npy, .npyFortran, .npyVersion2: _ = try NpyArray(path: path)
      case .safetensors: _ = try Safetensors(path: path)
      case .idx, .idxGzip: _ = try IDXFile(path: path)
      }
    }
  }

  @Test(arguments: Format.allCases) func truncatedAtEveryByte(format: Format) throws {
    let whole = try format.whole()
    try format.read(folder.file("whole", whole))
    for length in whole.indices {
      let path = try folder.file("cut", Array(whole[..<length]))
      #expect(throws: FormatError.self, "the first \(length) bytes of \(whole.count)") {
        try format.read(path)
      }
    }
  }

  @Test(arguments: [Format.npy, .npyFortran, .npyVersion2, .safetensors, .idx])
  func oneByteTooMany(format: Format) throws {
    let whole = try format.whole()
    let path = try folder.file("long", whole + [0])
    #expect(throws: FormatError.trailingData(path: path, position: whole.count)) {
      try format.read(path)
    }
  }

  @Test(arguments: Format.allCases) func everyByteChanged(format: Format) throws {
    let whole = try format.whole()
    var random = SeededGenerator(state: 1)
    var failures = 0
    for index in whole.indices {
      for change in [1, 0x80, UInt8.random(in: 1...255, using: &random)] {
        var damaged = whole
        damaged[index] ^= change
        let path = try folder.file("changed", damaged)
        do throws(FormatError) { try format.read(path) } catch { failures += 1 }
      }
    }
    // Most changes are in headers, which leave little freedom.
    #expect(failures > whole.count / 2)
  }

  /// Parts of the file cut out, doubled or overwritten by digits, which make large numbers.
  @Test(arguments: Format.allCases) func partsChanged(format: Format) throws {
    let whole = try format.whole()
    var random = SeededGenerator(state: 2)
    for _ in 0..<500 {
      let bounds = [
        Int.random(in: 0...whole.count, using: &random),
        Int.random(in: 0...whole.count, using: &random),
      ].sorted()
      let part = bounds[0]..<bounds[1]
      var damaged = whole
      switch Int.random(in: 0..<3, using: &random) {
      case 0: damaged.removeSubrange(part)
      case 1: damaged.insert(contentsOf: whole[part], at: bounds[0])
      default: damaged.replaceSubrange(part, with: part.map { _ in UInt8(ascii: "9") })
      }
      guard damaged != whole else { continue }
      let path = try folder.file("changed", damaged)
      do throws(FormatError) { try format.read(path) } catch { #expect(error.path == path) }
    }
  }
}
