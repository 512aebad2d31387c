import Foundation

/// `python3`, or what the environment variable `CONVOY_PYTHON` names: an independent reader and writer of
/// the formats.
enum Python {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  static let interpreter = ProcessInfo.processInfo.environment["CONVOY_PYTHON"] ?? "python3"
  static let hasNumpy = hasModule("numpy")
  static let hasSafetensors = hasModule("safetensors.numpy") && hasNumpy

  /// Runs a script with these arguments (`sys.argv[1:]`) and returns what it prints.
  @discardableResult
  static func run(_ script: String, _ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [interpreter, "-c", script] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure(description: text) }
    return text
  }

  private static func hasModule(_ name: String) -> Bool {
    (try? run("import \(name)")) != nil
  }
}
