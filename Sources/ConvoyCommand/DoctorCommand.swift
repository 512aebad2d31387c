import ArgumentParser
import Convoy
import Foundation

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Tell what is installed and whether it works.")

  @Flag(help: .hidden)
  var selfTest = false

  func run() throws {
    if selfTest {
      try reportingOnEveryRank { try Self.sumRanks($0) }
      return
    }
    // Told once, by one of those that were started.
    guard Launch.current.isFirst else { return }
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let launch = Launch.current
    let threads = ThreadOptions.defaultCount()
    try output("convoy          \(ConvoyCommand.configuration.version)")
    try output("processors      \(cores)")
    try output(
      "this run        \(launch.processes) \(launch.processes == 1 ? "rank" : "ranks"), "
        + "\(launch.localProcesses) on this machine, \(threads) \(threads == 1 ? "thread" : "threads") "
        + "each unless --threads says otherwise")
    try output("BLAS            \(BLAS.configuration.trimmingCharacters(in: .whitespaces))")
    try output("kernels         \(Self.kernels)")
    try output(
      "instructions    \(Context.process.instructions); \(InstructionSet.environmentVariable) may limit them"
    )
    if let version = Launch.mpiLibraryVersion {
      try output("MPI library     \(version)")
    } else {
      try output("MPI library     none: built without the trait MPI, runs on one process")
    }
    let launcher = Self.path(of: "mpirun")
    try output(
      "mpirun          \(launcher ?? "not found: install openmpi-bin to run on several ranks")")
    try output("Fashion-MNIST   \(Self.dataSet)")
    guard let launcher, Launch.mpiLibraryVersion != nil, launch.launcher == .none else { return }
    let passed = try Self.runSelfTest(launcher)
    try output("2-rank test     \(passed ? "passed" : "FAILED: see the messages above")")
    if !passed { throw ExitCode.failure }
  }

  /// Sums the rank numbers over all ranks and compares with n(n − 1)/2.
  private static func sumRanks(_ communicator: any Communicator) throws {
    var sum = [Double(communicator.rank)]
    try sum.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
    let expected = Double(communicator.size * (communicator.size - 1) / 2)
    guard sum[0] == expected else {
      throw CommandError.wrongSum(found: sum[0], expected: expected)
    }
  }

  private static func runSelfTest(_ launcher: String) throws -> Bool {
    guard let program = Bundle.main.executablePath else { return false }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: launcher)
    process.arguments = [
      "-n", "2", "--timeout", "60", "--oversubscribe", "--bind-to", "none", program, "doctor",
      "--self-test",
    ]
    var environment = ProcessInfo.processInfo.environment
    if getuid() == 0 {
      // Open MPI refuses to start as root, as in containers, unless told twice.
      environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
      environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    }
    process.environment = environment
    process.standardOutput = FileHandle.standardError
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
  }

  private static func path(of program: String) -> String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return folders.map { "\($0)/\(program)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private static var kernels: String {
    let path = Context.process.path
    let meaning =
      switch path {
      case .fast: "minimal filtering, batch-reduce kernel, OpenBLAS or loops, by estimate"
      case .direct: "batch-reduce kernel, OpenBLAS or loops, by estimate"
      case .openblas: "OpenBLAS or loops"
      case .reference: "loops alone"
      }
    return "\(path) (\(meaning)); \(KernelPath.environmentVariable) chooses"
  }

  private static var dataSet: String {
    let folder = DataConfiguration.fashionMNISTPath
    return FileManager.default.fileExists(atPath: folder)
      ? folder : "not found: install dataset-fashion-mnist, or set data.path"
  }
}
