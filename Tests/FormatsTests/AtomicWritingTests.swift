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
    #expect(try OutputPlace("/dev/null").kind == .device)
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

  /// Other processes find the hidden file by this path.
  @Test func theHiddenFileIsInTheOutputsFolder() throws {
    try FileManager.default.createDirectory(
      atPath: folder("a/b"), withIntermediateDirectories: true)
    for path in [folder("x"), folder("a/../x"), folder("a/b/../../x"), folder(".//x")] {
      let place = try OutputPlace(path)
      let hidden = place.temporaryName()
      #expect(hidden.hasPrefix(".x.") && hidden.hasSuffix(".partial"))
      _ = try place.create(hidden)
      #expect(try folder.names == [hidden, "a"])
      #expect(FileManager.default.fileExists(atPath: place.path(of: hidden)))
      place.remove(hidden)
    }
    #expect(try OutputPlace(folder("a/")).kind == .folder)
    #expect(try OutputPlace(folder("a/.")).kind == .folder)
    #expect(try OutputPlace("/").kind == .folder)
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
