import Foundation

/// The `convoy` that was built beside these tests, as people run it: in a process of its own.
enum Convoy {
  struct Run: Sendable {
    let code: Int32
    let output: String
    let errors: String
    let seconds: Double
  }

  enum Failure: Error, CustomStringConvertible {
    case noBinary([String])
    case tooSlow(arguments: [String], seconds: Double, errors: String)

    var description: String {
      switch self {
      case .noBinary(let paths):
        "there is no convoy beside the tests (\(Set(paths).sorted().joined(separator: ", "))); run "
          + "'swift build --build-tests' with the options of this test run"
      case .tooSlow(let arguments, let seconds, let errors):
        "'convoy \(arguments.joined(separator: " "))' was killed after \(seconds) s; its standard "
          + "error: \(errors)"
      }
    }
  }

  /// Runs `convoy` in a folder until it ends. A run that takes too long is killed, and fails.
  ///
  /// - Parameter environment: what is set beside this process's own environment.
  static func run(
    _ arguments: [String], in folder: TestFolder, environment: [String: String] = [:],
    timeout: Double = 60
  ) throws -> Run {
    let start = ContinuousClock.now
    let running = try Running(arguments, in: folder, environment: environment)
    guard running.ends(within: timeout) else {
      running.kill()
      throw Failure.tooSlow(
        arguments: arguments, seconds: timeout, errors: running.errors)
    }
    return Run(
      code: running.code, output: running.output, errors: running.errors,
      seconds: (ContinuousClock.now - start) / .seconds(1))
  }

  /// Beside the test bundle, in the folder of the products of this build.
  static func binary() throws -> URL {
    let bundle = URL(fileURLWithPath: CommandLine.arguments[0])
    let paths = [bundle.deletingLastPathComponent().path, Bundle.main.bundlePath]
      .map { $0 + "/convoy" }
    guard let path = paths.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
      throw Failure.noBinary(paths)
    }
    return URL(fileURLWithPath: path)
  }

  /// A process that may be killed while it runs.
  final class Running: Sendable {
    private let process = Process()
    private let ended = DispatchSemaphore(value: 0)
    /// Its output goes to files, of which no reader can be too slow.
    private let files: TestFolder

    init(
      _ arguments: [String], in folder: TestFolder, environment: [String: String] = [:]
    ) throws {
      files = try TestFolder()
      process.executableURL = try Convoy.binary()
      process.arguments = arguments
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
      process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      process.standardInput = FileHandle.nullDevice
      let output = try files.handle(forWriting: "output")
      let errors = try files.handle(forWriting: "errors")
      process.standardOutput = output
      process.standardError = errors
      process.terminationHandler = { [ended] _ in ended.signal() }
      try process.run()
      // The process has its own by now. Left open they live as long as this program, and beyond some
      // 1300 open files Foundation's `Process.run` reads past the end of its list of them.
      try output.close()
      try errors.close()
    }

    /// Whether the process ended in time.
    func ends(within seconds: Double) -> Bool { ended.wait(timeout: .now() + seconds) == .success }

    /// Sends a signal that it may handle.
    func send(_ signal: Int32) { Foundation.kill(process.processIdentifier, signal) }

    /// Waits until something holds, or the process has ended, or a minute has passed.
    func waits(until holds: () -> Bool) -> Bool {
      for _ in 0..<6000 {
        if holds() { return true }
        if !process.isRunning { return holds() }
        usleep(10_000)
      }
      return false
    }

    /// Kills the process with SIGKILL, which it cannot catch, and returns when it is gone.
    func kill() {
      Foundation.kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }

    /// The exit code, or the number of the signal that ended it.
    var code: Int32 { process.terminationStatus }
    var wasKilled: Bool { process.terminationReason == .uncaughtSignal }
    var output: String { files.text("output") }
    var errors: String { files.text("errors") }
  }
}
