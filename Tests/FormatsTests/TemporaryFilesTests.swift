import Formats
import Foundation
import Testing

/// Files that are removed when a job ends early; what signals do is tested with MPISelfTest.
///
/// Each test has a process of its own: what it removes would be other tests' files too.
@Suite struct TemporaryFilesTests {
  private static func temporaryFile() throws -> String {
    let path = FileManager.default.temporaryDirectory.path + "/convoy-\(UUID())"
    try Data("half".utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  @Test func registeredFilesAreRemoved() async {
    await #expect(processExitsWith: .success) {
      let half = try TemporaryFilesTests.temporaryFile()
      let done = try TemporaryFilesTests.temporaryFile()
      defer { try? FileManager.default.removeItem(atPath: done) }
      let first = TemporaryFiles.register(half)
      let second = TemporaryFiles.register(done)
      #expect(first != nil && second != nil)
      TemporaryFiles.unregister(second)
      TemporaryFiles.removeAll()
      #expect(!FileManager.default.fileExists(atPath: half))
      #expect(FileManager.default.fileExists(atPath: done))
    }
  }

  /// What is being written is one of them, and what is whole is not.
  @Test func writtenFilesAreRegistered() async {
    await #expect(processExitsWith: .success) {
      let path = FileManager.default.temporaryDirectory.path + "/convoy-\(UUID())"
      defer { try? FileManager.default.removeItem(atPath: path) }
      #expect(throws: FormatError.self) {
        try writeAtomically(to: path) { (file) throws(FormatError) in
          try file.write([1, 2, 3] as [Float])
          TemporaryFiles.removeAll()
        }
      }
      #expect(!FileManager.default.fileExists(atPath: path))
      try writeAtomically(to: path, bytes: [1])
      TemporaryFiles.removeAll()
      #expect(FileManager.default.fileExists(atPath: path))
    }
  }

  @Test func placesAreLimitedAndUsedAgain() async {
    await #expect(processExitsWith: .success) {
      let files = (0..<TemporaryFiles.most).map { TemporaryFiles.register("/nowhere/\($0)") }
      #expect(!files.contains { $0 == nil })
      #expect(TemporaryFiles.register("/nowhere/more") == nil)
      TemporaryFiles.unregister(files[3])
      let again = TemporaryFiles.register("/nowhere/more")
      #expect(again != nil)
      TemporaryFiles.unregister(again)
      for file in files { TemporaryFiles.unregister(file) }
      #expect(TemporaryFiles.register("/" + String(repeating: "x", count: 4095)) == nil)
      let longest = TemporaryFiles.register("/" + String(repeating: "x", count: 4094))
      #expect(longest != nil)
      TemporaryFiles.removeAll()
    }
  }
}
