import Foundation
import Kernels
import Testing

/// Runs `Tests/python/oracle.py`: numpy's and PyTorch's answers, all cases of a test in one process.
///
/// The interpreter is `python3`, or what the environment variable `CONVOY_PYTHON` names.
struct PythonOracle {
  enum Module: String { case numpy, torch }

  /// A question for the oracle. `operands` are in Double whatever is tested.
  struct Case {
    /// The oracle's check: `einsum`, `convolve` or `conv2d`.
    let check: String
    let text: String
    let options: [String]
    let operands: [Tensor<Double>]
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Which modules the interpreter can import; none if there is no interpreter.
  static let modules: Set<Module> = {
    let output = try? run(["modules"])
    return Set(output?.split(separator: "\n").compactMap { Module(rawValue: String($0)) } ?? [])
  }()

  /// A trait that skips a test, visibly, where a module is missing.
  static func needs(_ module: Module) -> ConditionTrait {
    .enabled(
      if: modules.contains(module),
      """
      '\(interpreter)' cannot import \(module.rawValue): install it, or set CONVOY_PYTHON to a \
      Python that has it.
      """)
  }

  /// The results of all cases, in order.
  static func solve(_ cases: [Case]) throws -> [[Tensor<Double>]] {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("convoy-oracle-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }

    let questions = cases.map {
      Question(
        check: $0.check, text: $0.text, options: $0.options, shapes: $0.operands.map(\.shape))
    }
    try JSONEncoder().encode(questions).write(to: folder.appendingPathComponent("cases.json"))
    let elements = cases.flatMap { $0.operands.flatMap(\.elements) }
    try elements.withUnsafeBytes { Data($0) }
      .write(to: folder.appendingPathComponent("operands.bin"))
    _ = try run(["solve", folder.path])

    let shapes = try JSONDecoder().decode(
      [[[Int]]].self, from: Data(contentsOf: folder.appendingPathComponent("results.json")))
    let bytes = try Data(contentsOf: folder.appendingPathComponent("results.bin"))
    var rest = bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }[...]
    return shapes.map { shapes in
      shapes.map { shape in
        let count = shape.reduce(1, *)
        defer { rest = rest.dropFirst(count) }
        return Tensor(shape: shape, elements: rest.prefix(count))
      }
    }
  }

  private struct Question: Encodable {
    let check: String
    let text: String
    let options: [String]
    let shapes: [[Int]]
  }

  private static let interpreter =
    ProcessInfo.processInfo.environment["CONVOY_PYTHON"] ?? "python3"

  private static let script = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("python/oracle.py").path

  /// Standard output of the script.
  private static func run(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [interpreter, script] + arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let command = ([interpreter, script] + arguments).joined(separator: " ")
      throw Failure(description: "'\(command)' exited with \(process.terminationStatus)")
    }
    return text
  }
}
