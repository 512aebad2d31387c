import Foundation

/// How this process was started: alone, or as one of several by a launcher.
///
/// ```swift
/// let communicator = try Launch.communicator()
/// let threads = cores / Launch.current.localProcesses
/// ```
public struct Launch: Hashable, Sendable {
  public enum Launcher: String, Sendable, CustomStringConvertible {
    case none, mpirun, slurm
    /// A launcher that speaks PMI, like MPICH's.
    case pmi

    public var description: String {
      switch self {
      case .none: "no launcher"
      case .mpirun: "mpirun"
      case .slurm: "srun"
      case .pmi: "the PMI launcher"
      }
    }
  }

  public let launcher: Launcher
  /// Processes that the launcher started, on all machines; 1 without a launcher.
  public let processes: Int
  /// This process among all, 0 ..< processes.
  public let rank: Int
  /// Whether what started several processes told them how to find each other.
  let isConnectable: Bool
  /// This process among those on the same machine, 0 ..< localProcesses.
  public let localRank: Int
  /// Processes on this machine, which share its cores.
  public let localProcesses: Int

  /// This process.
  public static let current = Launch(environment: ProcessInfo.processInfo.environment)

  /// This machine's name as it knows it itself: a name server may not answer.
  public static var hostName: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { name in
      guard let start = name.baseAddress, gethostname(start, name.count) == 0 else {
        return "unknown host"
      }
      let bytes = name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  /// The group this process belongs to: MPI's if a launcher started it, else itself alone.
  ///
  /// Throws `CollectiveError` if several processes were started that cannot reach each other: each
  /// would run alone and overwrite the others' output.
  public static func communicator() throws -> any Communicator {
    // One process needs no MPI, even where a launcher started it, e.g. in an interactive Slurm step.
    guard current.processes > 1 else { return SingleCommunicator() }
    guard current.isConnectable else {
      throw CollectiveError.withoutPMI(processes: current.processes)
    }
    return try current.connect()
  }

  /// Reads what launchers tell the processes they start: Open MPI's `OMPI_COMM_WORLD_*`, the
  /// `PMI_*` of MPICH's, and Slurm's `SLURM_STEP_*`.
  ///
  /// In a Slurm batch script (`sbatch`, `salloc`) nothing but `srun` and `mpirun` start several
  /// processes, so the number of tasks of the job (`SLURM_NTASKS`) says nothing about a process.
  public init(environment: [String: String]) {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
    if let processes = number("OMPI_COMM_WORLD_SIZE") {
      launcher = .mpirun
      self.processes = processes
      rank = number("OMPI_COMM_WORLD_RANK") ?? 0
      isConnectable = true
      localRank = number("OMPI_COMM_WORLD_LOCAL_RANK") ?? 0
      localProcesses = number("OMPI_COMM_WORLD_LOCAL_SIZE") ?? 1
    } else if number("SLURM_PROCID") != nil, let processes = number("SLURM_STEP_NUM_TASKS") {
      launcher = .slurm
      self.processes = processes
      rank = number("SLURM_PROCID") ?? 0
      // What srun sets with --mpi=pmix, and with --mpi=pmi2 or an older PMI.
      isConnectable = ["PMIX_RANK", "PMI_RANK", "PMI_FD"].contains { environment[$0] != nil }
      localRank = number("SLURM_LOCALID") ?? 0
      localProcesses =
        environment["SLURM_STEP_TASKS_PER_NODE"].flatMap {
          Self.tasks(onNode: number("SLURM_NODEID") ?? 0, of: $0)
        } ?? 1
    } else if let processes = number("PMI_SIZE") {
      launcher = .pmi
      self.processes = processes
      rank = number("PMI_RANK") ?? 0
      isConnectable = true
      localRank = number("MPI_LOCALRANKID") ?? 0
      localProcesses = number("MPI_LOCALNRANKS") ?? 1
    } else {
      launcher = .none
      processes = 1
      rank = 0
      isConnectable = true
      localRank = 0
      localProcesses = 1
    }
  }

  /// Slurm's short form of tasks per node: `2(x3),1` is 2, 2, 2, 1.
  private static func tasks(onNode node: Int, of list: String) -> Int? {
    var remaining = node
    for entry in list.split(separator: ",") {
      let numbers = entry.split { !$0.isNumber }.compactMap { Int($0) }
      guard let tasks = numbers.first else { return nil }
      let nodes = numbers.count > 1 ? numbers[1] : 1
      if remaining < nodes { return tasks }
      remaining -= nodes
    }
    return nil
  }
}
