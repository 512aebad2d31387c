import Foundation
import Testing

@testable import Formats

/// Where outputs go: whose links are followed, what a new file has of the one it replaces.
@Suite struct OutputPlaceTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let isRoot = geteuid() == 0
  /// A user that is not this one.
  static let other: uid_t = 65534

  private func status(_ path: String) throws -> stat {
    var status = stat()
    try #require(lstat(path, &status) == 0)
    return status
  }

  private func link(_ name: String, to target: String, owner: uid_t? = nil) throws {
    try #require(symlink(target, folder(name)) == 0)
    if let owner { try #require(lchown(folder(name), owner, owner) == 0) }
  }

  private func makeFolder(_ name: String, owner: uid_t? = nil) throws {
    try #require(mkdir(folder(name), 0o755) == 0)
    if let owner { try #require(chown(folder(name), owner, owner) == 0) }
  }

  /// Both ways of writing.
  static let writers: [@Sendable (String) throws -> Void] = [
    { try writeAtomically(to: $0, bytes: [7]) },
    { path in
      let file = try SharedNpyFile.create(path: path, shape: [], elementType: .float32)
      try [Float(7)].withUnsafeBytes { try file.write(box: [], from: $0) }
      try file.synchronize()
      try file.finish()
    },
  ]

  @Test(arguments: writers.indices, [0o600, 0o640, 0o444, 0o755] as [mode_t])
  func aReplacedFileKeepsItsMode(writer: Int, mode: mode_t) throws {
    let path = try folder.file("x", [1])
    try #require(chmod(path, mode) == 0)
    let before = try status(path).st_ino
    try Self.writers[writer](path)
    #expect(try status(path).st_mode & 0o7777 == mode)
    #expect(try status(path).st_ino != before)
    #expect(try folder.names == ["x"])
  }

  @Test(.enabled(if: isRoot, "only root can give files away"), arguments: writers.indices)
  func aReplacedFileKeepsItsOwner(writer: Int) throws {
    let path = try folder.file("x", [1])
    try #require(chown(path, Self.other, 1234) == 0)
    try Self.writers[writer](path)
    #expect(try status(path).st_uid == Self.other)
    #expect(try status(path).st_gid == 1234)
  }

  @Test(.enabled(if: isRoot, "only root meets what others made"), arguments: writers.indices)
  func aLinkOfAnotherUserIsReplacedAndItsTargetStays(writer: Int) throws {
    let target = try folder.file("target", [1, 2, 3])
    try makeFolder("theirs", owner: Self.other)
    try link("theirs/x", to: target, owner: Self.other)
    try Self.writers[writer](folder("theirs/x"))
    #expect(try bytes(of: target) == [1, 2, 3])
    #expect(try status(folder("theirs/x")).st_mode & S_IFMT == S_IFREG)
    // A link to nothing makes no file where it leads.
    try link("theirs/y", to: folder("made"), owner: Self.other)
    try Self.writers[writer](folder("theirs/y"))
    #expect(try folder.names == ["target", "theirs"])
    // Nor is a device written to.
    try link("theirs/z", to: "/dev/full", owner: Self.other)
    try Self.writers[writer](folder("theirs/z"))
    #expect(try status(folder("theirs/z")).st_mode & S_IFMT == S_IFREG)
  }

  @Test(.enabled(if: isRoot, "only root meets what others made"), arguments: writers.indices)
  func rootIsNotLedAwayByALinkToAFolder(writer: Int) throws {
    try makeFolder("precious")
    try makeFolder("theirs", owner: Self.other)
    try makeFolder("theirs/own", owner: Self.other)
    try link("theirs/away", to: folder("precious"), owner: Self.other)
    try link("theirs/near", to: "own", owner: Self.other)
    let path = folder("theirs/away/x")
    #expect(
      throws: FormatError.foreignLink(path: path, link: folder("theirs") + "/away")
    ) { try Self.writers[writer](path) }
    #expect(throws: FormatError.self) { try requireOwnWay(to: folder("theirs/away/new/run")) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder("precious")) == [])
    _ = try folder.file("precious/kept", [1])
    removeOutput(folder("theirs/away/kept"))
    #expect(try bytes(of: folder("precious/kept")) == [1])
    // Where the maker of the link might write himself, it does no harm.
    try Self.writers[writer](folder("theirs/near/x"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder("theirs/own")) == ["x"])
    try requireOwnWay(to: folder("theirs/near/run"))
    // A link of root's own leads anywhere.
    try link("mine", to: "precious")
    try Self.writers[writer](folder("mine/x"))
    #expect(try folder.names == ["mine", "precious", "theirs"])
    #expect(FileManager.default.fileExists(atPath: folder("precious/x")))
  }

  @Test(arguments: writers.indices) func ownLinksAreFollowed(writer: Int) throws {
    try makeFolder("a")
    try link("first", to: "a/second")
    try link("a/second", to: "../x")
    try Self.writers[writer](folder("first"))
    #expect(try folder.names == ["a", "first", "x"])
    #expect(try status(folder("x")).st_mode & S_IFMT == S_IFREG)
    #expect(try status(folder("first")).st_mode & S_IFMT == S_IFLNK)
  }

  @Test func linksInACircleEndInAnError() throws {
    try link("a", to: "b")
    try link("b", to: "a")
    let path = folder("a")
    #expect(throws: FormatError.system(path: path, operation: "create", code: ELOOP)) {
      try writeAtomically(to: path, bytes: [1])
    }
  }

  @Test(.timeLimit(.minutes(1))) func aPipeThatNobodyReadsIsRefusedAtOnce() throws {
    let path = folder("pipe")
    try #require(mkfifo(path, 0o600) == 0)
    #expect(throws: FormatError.unreadPipe(path: path)) {
      try writeAtomically(to: path, bytes: [1])
    }
    let reader = open(path, O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    try writeAtomically(to: path, bytes: [5])
    var byte: UInt8 = 0
    #expect(read(reader, &byte, 1) == 1 && byte == 5)
    #expect(try folder.names == ["pipe"])
  }

  /// `/dev/stdout` leads there: no path, but a file that is open.
  @Test func anOpenPipeIsWrittenThroughItsName() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    try writeAtomically(to: "/proc/self/fd/\(ends[1])", bytes: [9])
    var byte: UInt8 = 0
    #expect(read(ends[0], &byte, 1) == 1 && byte == 9)
  }

  @Test func aLogIsWrittenAtItsEnd() throws {
    let path = try folder.file("log", [1])
    let log = try AppendedFile(path: path)
    try log.write([2])
    try log.write([3])
    try log.synchronize()
    #expect(try bytes(of: path) == [1, 2, 3])
    #expect(throws: FormatError.notAFile(path: folder.path)) {
      _ = try AppendedFile(path: folder.path)
    }
    let missing = folder("missing")
    #expect(throws: FormatError.system(path: missing, operation: "append to", code: ENOENT)) {
      _ = try AppendedFile(path: missing)
    }
  }

  @Test(.enabled(if: isRoot, "only root meets what others made"))
  func aLogIsNotWrittenThroughALinkOfAnotherUser() throws {
    let target = try folder.file("target", [1])
    try link("log", to: target, owner: Self.other)
    #expect(throws: FormatError.self) { _ = try AppendedFile(path: folder("log")) }
    #expect(try bytes(of: target) == [1])
  }
}
