import Foundation

/// A folder of its own for one test, removed with everything in it at the end of its life.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "convoy-formats-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of a file in the folder.
  func callAsFunction(_ name: String) -> String { path + "/" + name }

  /// Writes a file into the folder, not through the code under test, and returns its path.
  ///
  /// Through C: `Data.write` waits for the disk, which takes most of the time of thousands of files.
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    struct CannotWrite: Error {}
    unlink(self(name))
    guard let file = fopen(self(name), "wb") else { throw CannotWrite() }
    defer { fclose(file) }
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw CannotWrite() }
    return self(name)
  }

  /// Names in the folder, hidden ones too.
  var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}

func bytes(of path: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}

/// The bytes of a golden file, kept in the source as base64.
func golden(_ base64: String) throws -> [UInt8] {
  struct BadGolden: Error {}
  guard let data = Data(base64Encoded: base64, options: .ignoreUnknownCharacters) else {
    throw BadGolden()
  }
  return [UInt8](data)
}

/// The error that `body` throws; nil if it does not throw.
func formatError(_ body: () throws -> Void) -> (any Error)? {
  do {
    try body()
    return nil
  } catch {
    return error
  }
}

/// A sequence of the same numbers in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
