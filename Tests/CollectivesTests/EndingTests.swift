import Collectives
import Foundation
import Testing

/// Files that are removed when a job ends early; what signals do is tested with MPISelfTest.
@Suite(.serialized) struct EndingTests {
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

  @Test func placesAreLimitedAndUsedAgain() {
    let files = (0..<TemporaryFiles.most).map { TemporaryFiles.register("/nowhere/\($0)") }
    #expect(!files.contains { $0 == nil })
    #expect(TemporaryFiles.register("/nowhere/more") == nil)
    TemporaryFiles.unregister(files[3])
    let again = TemporaryFiles.register("/nowhere/more")
    #expect(again != nil)
    TemporaryFiles.unregister(again)
    for file in files { TemporaryFiles.unregister(file) }
    #expect(TemporaryFiles.register(String(repeating: "x", count: 4096)) == nil)
    let longest = TemporaryFiles.register(String(repeating: "x", count: 4095))
    #expect(longest != nil)
    TemporaryFiles.removeAll()
  }
}
