import Foundation
import Testing

/// Missing, damaged and unwritable files of `contract`.
@Suite struct BadFileTests {
  /// A good 3×4 operand is `b.npy`; `a.npy`, 2×3, is good too.
  static func first(_ file: String, _ name: String, _ message: String) -> BadInput {
    BadInput(name, ["contract", "ij,jk->ik", file, "b.npy", "--out", "c.npy"], message)
  }

  static let inputs = [
    first(
      "nowhere.npy", "missing file",
      "convoy: error: nowhere.npy: cannot open: No such file or directory"),
    first(
      "a.npy/a.npy", "a file as a folder",
      "convoy: error: a.npy/a.npy: cannot open: Not a directory"),
    first(
      ".", "a folder",
      """
      convoy: error: .: this is not a file (a folder, a device or a pipe); expected a regular file
      """),
    first(
      "cut.npy", "truncated data",
      "convoy: error: cut.npy: truncated in the data: expected at least 152 bytes, found 151"),
    first(
      "head.npy", "truncated header",
      "convoy: error: head.npy: truncated in the npy header: expected at least 128 bytes, found 40"
    ),
    first(
      "empty.npy", "empty file",
      """
      convoy: error: empty.npy: truncated in the npy magic and version: expected at least 8 bytes, \
      found 0
      """),
    first(
      "long.npy", "more data than the shape says",
      "convoy: error: long.npy: by its header the file ends at byte 152, but more data follows"),
    first(
      "text.npy", "another format",
      """
      convoy: error: text.npy: npy magic, byte 0: found 65 6c 65 6d 65 6e, expected 93 4e 55 4d 50 \
      59, which starts every npy file
      """),
    first(
      "huge.npy", "a shape beyond memory",
      """
      convoy: error: huge.npy: shape [1099511627776, 1099511627776] has more bytes than a file can \
      hold
      """),
    first(
      "int64.npy", "integers",
      """
      convoy: error: int64.npy: element type int64 ('<i8') is not supported; convert the file to \
      float32 or float64, such as with numpy's a.astype('float32')
      """),
    first(
      "double.npy", "mixed types",
      """
      convoy: error: operands are of different element types: double.npy holds float64, b.npy holds \
      float32; convert one of them, for the result has the type of the operands
      """),
  ]

  static func writing(_ name: String, _ out: String, _ report: [String], _ message: String)
    -> BadInput
  {
    BadInput(
      name, ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", out] + report, code: 1, message)
  }

  static let outputs = [
    writing(
      "no folder", "nowhere/c.npy", [],
      "convoy: error: cannot write into the folder {folder}/nowhere: there is no such folder"),
    writing(
      "a file as a folder", "a.npy/c.npy", [],
      "convoy: error: cannot write into the folder {folder}/a.npy: there is no such folder"),
    writing(
      "a folder where nothing can be made", "/proc/c.npy", [],
      "convoy: error: /proc/c.npy: cannot create: No such file or directory"),
    writing(
      "no folder for the report", "c.npy", ["--report", "nowhere/c.json"],
      "convoy: error: cannot write into the folder {folder}/nowhere: there is no such folder"),
  ]

  static func clashing(_ name: String, _ report: String, with other: String) -> BadInput {
    BadInput(
      name, ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", "c.npy", "--report", report],
      "convoy: error: --report \(report) would replace \(other); give it another name")
  }

  @Test(arguments: [
    clashing("the report as the result", "./c.npy", with: "--out, c.npy"),
    clashing("the report as an operand", "b.npy", with: "operand 1, b.npy"),
    BadInput(
      "no name", ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", ""],
      "convoy: error: the name of an output is empty; expected a file"),
    BadInput(
      "a folder as the result", ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", "."],
      "convoy: error: cannot write the file …"),
  ])
  func outputsThatClashEndInOneMessage(row: BadInput) throws {
    try row.check(in: Self.folder())
  }

  @Test func aPipeIsRefusedAtOnce() throws {
    let folder = try Self.folder()
    try #require(mkfifo(folder.realPath + "/pipe.npy", 0o600) == 0)
    let run = try Convoy.run(
      ["contract", "ij,jk->ik", "pipe.npy", "b.npy", "--out", "c.npy"], in: folder)
    #expect(run.code == 64 && run.output == "")
    #expect(run.errors.contains("pipe.npy: this is not a file"))
    #expect(!folder.exists("c.npy"))
  }

  /// Nothing traps, and what is lost is not called done.
  @Test(arguments: [["plan", "ij", "--shape", "2,3"], ["plan", "ij", "--shape", "2,3", "--json"]])
  func aFullDiskBehindStandardOutputIsAFailure(arguments: [String]) throws {
    let process = Process()
    process.executableURL = try Convoy.binary()
    process.arguments = arguments
    process.standardOutput = FileHandle(forWritingAtPath: "/dev/full")
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 1)
    #expect(
      text == """
        convoy: error: cannot write to standard output: the disk is full, or what reads it has ended

        """)
  }

  @Test(arguments: inputs) func aBadOperandEndsInOneMessage(row: BadInput) throws {
    try row.check(in: Self.folder())
  }

  @Test(arguments: outputs) func anUnwritableResultEndsInOneMessage(row: BadInput) throws {
    let folder = try Self.folder()
    try BadInput(
      row.name, row.arguments, code: row.code,
      row.message.replacingOccurrences(of: "{folder}", with: folder.realPath)
    ).check(in: folder)
  }

  /// 4·(2·3·10⁶ + 9·10¹²) bytes; the machine says what it has.
  @Test func aResultBeyondMemoryEndsInOneMessage() throws {
    let folder = try TestFolder()
    try folder.write(
      "x.npy",
      Npy.header(element: "<f4", isFortranOrder: false, shape: [3_000_000])
        + Data(count: 12_000_000))
    try BadInput(
      "outer product", ["contract", "i,j->ij", "x.npy", "x.npy", "--out", "y.npy"], code: 1,
      "convoy: error: cannot contract 'i,j->ij': it needs 36000024000000 bytes at once, but this "
        + "machine has …"
    ).check(in: folder)
  }

  /// A result that was there before a run fails stays as it was.
  @Test func aFailedRunKeepsTheResultOfAnEarlierOne() throws {
    let folder = try Self.folder()
    let arguments = ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", "c.npy"]
    #expect(try Convoy.run(arguments, in: folder).code == 0)
    let result = try folder.bytes("c.npy")
    try Self.inputs[3].check(in: folder)
    #expect(try folder.bytes("c.npy") == result)
  }

  private static func folder() throws -> TestFolder {
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [2, 3])
    try folder.writeCounting("b.npy", shape: [3, 4])
    try folder.writeCounting("double.npy", shape: [2, 3], element: .float64)
    let whole = try folder.bytes("a.npy")
    try folder.write("cut.npy", whole.dropLast())
    try folder.write("head.npy", whole.prefix(40))
    try folder.write("empty.npy", "")
    try folder.write("long.npy", whole + [0])
    try folder.write("text.npy", "element,element\n0.5,0.25\n")
    try folder.write(
      "huge.npy",
      Npy.header(element: "<f4", isFortranOrder: false, shape: [1 << 40, 1 << 40]))
    try folder.write(
      "int64.npy",
      Npy.header(element: "<i8", isFortranOrder: false, shape: [2, 3]) + Data(count: 48))
    return folder
  }
}

extension TestFolder {
  /// Without symbolic links, as a process sees its own folder.
  var realPath: String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
}
