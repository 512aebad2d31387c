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

  @Test func folderIsWrittenWhole() throws {
    let path = folder("checkpoint")
    try writeFolderAtomically(to: path) { aside in
      #expect(wholeFolder(at: path) == nil)
      try writeAtomically(to: aside + "/a", bytes: [1])
      try FileManager.default.createDirectory(
        atPath: aside + "/sub", withIntermediateDirectories: false)
      try writeAtomically(to: aside + "/sub/b", bytes: [2])
    }
    #expect(try folder.names == ["checkpoint"])
    #expect(try bytes(of: path + "/sub/b") == [2])
    #expect(wholeFolder(at: path) == path)
  }

  @Test(arguments: ["", "/"]) func folderIsReplacedWhole(slash: String) throws {
    let path = folder("checkpoint")
    try writeFolderAtomically(to: path + slash) { try writeAtomically(to: $0 + "/a", bytes: [1]) }
    try writeFolderAtomically(to: path + slash) { aside in
      try writeAtomically(to: aside + "/b", bytes: [2])
      #expect(try bytes(of: path + "/a") == [1])
    }
    #expect(try folder.names == ["checkpoint"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["b"])
  }

  @Test func oldFolderStaysIfTheBodyThrows() throws {
    let path = folder("checkpoint")
    try writeFolderAtomically(to: path) { try writeAtomically(to: $0 + "/a", bytes: [1]) }
    #expect(throws: Interrupted.self) {
      try writeFolderAtomically(to: path) { aside in
        try writeAtomically(to: aside + "/a", bytes: [2])
        throw Interrupted()
      }
    }
    #expect(try folder.names == ["checkpoint"])
    #expect(try bytes(of: path + "/a") == [1])
  }

  /// The state after a crash between the two renames: the old folder under its second name.
  @Test func crashBetweenTheRenames() throws {
    let path = folder("checkpoint")
    try FileManager.default.createDirectory(
      atPath: path + ".previous", withIntermediateDirectories: false)
    #expect(wholeFolder(at: path) == path + ".previous")
    try writeFolderAtomically(to: path) { try writeAtomically(to: $0 + "/a", bytes: [1]) }
    #expect(wholeFolder(at: path) == path)
    #expect(try folder.names == ["checkpoint"])
  }

  @Test func fileInTheWayOfAFolder() throws {
    let path = try folder.file("x", [1])
    let error = #expect(throws: FormatError.self) { try writeFolderAtomically(to: path) { _ in } }
    #expect(error?.description == "\(path): cannot replace by a folder: Not a directory")
    #expect(try bytes(of: path) == [1])
  }
}
