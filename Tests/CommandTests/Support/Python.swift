import Foundation

/// `python3`, or what the environment variable `CONVOY_PYTHON` names, which knows numpy's answers.
enum Python {
  struct Failure: Error, CustomStringConvertible { let description: String }

  static let interpreter = ProcessInfo.processInfo.environment["CONVOY_PYTHON"] ?? "python3"
  static let hasNumpy = (try? run("import numpy", in: TestFolder())) != nil

  /// Runs a script in a folder and returns what it prints.
  @discardableResult
  static func run(_ script: String, in folder: TestFolder) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [interpreter, "-c", script]
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure(description: text) }
    return text
  }
}
