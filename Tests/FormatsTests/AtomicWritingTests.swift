import Foundation
import Testing

@testable import Formats

@Suite struct AtomicWritingTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  struct Interrupted: Error {}

  @Test func replacesTheFile() throws {
    let path = try folder.file("x", [1, 2, 3])
    try writeAtomically(to: path, bytes: [4])
    #expect(try bytes(of: path) == [4])
    #expect(try folder.names == ["x"])
  }

  @Test func oldFileStaysUntilTheEndAndIfTheBodyThrows() throws {
    let path = try folder.file("x", [1, 2, 3])
    let failure = FormatError.notAFile(path: "elsewhere")
    #expect(throws: failure) {
      try writeAtomically(to: path) { (file) throws(FormatError) in
        try file.write([9] as [UInt8])
        #expect((try? bytes(of: path)) == [1, 2, 3])
        #expect((try? folder.names)?.count == 2)
        throw failure
      }
    }
    #expect(try bytes(of: path) == [1, 2, 3])
    #expect(try folder.names == ["x"])
  }

  @Test func followsALink() throws {
    let path = try folder.file("x", [1])
    try FileManager.default.createSymbolicLink(
      atPath: folder("link"), withDestinationPath: "x")
    try writeAtomically(to: folder("link"), bytes: [2])
    #expect(try bytes(of: path) == [2])
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder("link")) == "x")
  }

  /// As root a careless rename would replace the device by a file.
  @Test func writesToADeviceDirectly() throws {
    try writeAtomically(to: "/dev/null", bytes: [1])
    #expect(try targetKind("/dev/null") == .device)
    #expect(throws: FormatError.self) { try writeAtomically(to: "/dev/full", bytes: [1]) }
  }

  @Test func foldersThatCannotBeWrittenTo() throws {
    let array = NpyArray(shape: [], elements: .float32([1]))
    let missing = folder("missing/x.npy")
    let error = #expect(throws: FormatError.self) { try array.write(to: missing) }
    #expect(error?.description == "\(missing): cannot create: No such file or directory")
    let below = try folder.file("file", [1]) + "/x.npy"
    #expect(throws: FormatError.self) { try array.write(to: below) }
    #expect(throws: FormatError.notAFile(path: folder.path)) { try array.write(to: folder.path) }
    #expect(try folder.names == ["file"])
  }

  @Test(arguments: [
    ("x", "."), ("a/x", "a"), ("/x", "/"), ("/a/b/x", "/a/b"), ("a/b/", "a"), ("../x", ".."),
  ]) func folderOfAPath(path: String, expected: String) {
    #expect(Formats.folder(of: path) == expected)
  }

  @Test func filesGetTheUsualPermissions() throws {
    let plain = folder("plain")
    #expect(FileManager.default.createFile(atPath: plain, contents: nil))
    try writeAtomically(to: folder("x"), bytes: [])
    func mode(_ path: String) throws -> Int? {
      try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
    #expect(try mode(folder("x")) == mode(plain))
  }
}
