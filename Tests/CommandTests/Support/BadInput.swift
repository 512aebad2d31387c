import Foundation
import Testing

/// One row of a table of bad input: what is run, and all that may come of it.
struct BadInput: Sendable, CustomTestStringConvertible {
  /// What is wrong, for people.
  let name: String
  let arguments: [String]
  /// 64: what the user gave; 1: what failed on the way.
  let code: Int32
  /// All of standard error; or its beginning, if it ends in "…".
  let message: String

  init(_ name: String, _ arguments: [String], code: Int32 = 64, _ message: String) {
    self.name = name
    self.arguments = arguments
    self.code = code
    self.message = message
  }

  var testDescription: String { name }

  /// Runs the row and checks that there is one message, no result, and nothing left behind.
  func check(in folder: TestFolder) throws {
    let before = folder.contents
    let run = try Convoy.run(arguments, in: folder)
    #expect(run.code == code)
    #expect(run.output == "")
    if message.hasSuffix("…") {
      #expect(run.errors.hasPrefix(message.dropLast()), "it says: \(run.errors)")
    } else {
      #expect(run.errors == message + "\n")
    }
    #expect(run.errors.split(separator: "\n").count { $0.hasMessage } == 1)
    #expect(folder.names == before.keys.sorted())
    #expect(folder.contents == before)
  }
}

extension StringProtocol {
  /// Whether a line begins a message: one in the style of ours, or another's.
  fileprivate var hasMessage: Bool {
    hasPrefix("convoy: error: ") || lowercased().hasPrefix("error: ")
  }
}
