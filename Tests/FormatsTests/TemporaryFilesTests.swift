import Formats
import Foundation
import Testing

/// Files that are removed when a job ends early; what signals do is tested with MPISelfTest.
@Suite(.serialized) struct TemporaryFilesTests {
  private func temporaryFile() throws -> String {
    let path = FileManager.default.temporaryDirectory.path + "/convoy-\(UUID())"
    try Data("half".utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  @Test func registeredFilesAreRemoved() throws {
    let (half, done) = (try temporaryFile(), try temporaryFile())
    defer { try? FileManager.default.removeItem(atPath: done) }
    let first = TemporaryFiles.register(half)
    let second = TemporaryFiles.register(done)
    #expect(first != nil && second != nil)
    TemporaryFiles.unregister(second)
    TemporaryFiles.removeAll()
    #expect(!FileManager.default.fileExists(atPath: half))
    #expect(FileManager.default.fileExists(atPath: done))
  }

  /// What is being written is one of them, and what is whole is not.
  @Test func writtenFilesAreRegistered() throws {
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

  @Test func placesAreLimitedAndUsedAgain() {
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
