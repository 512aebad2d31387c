import Testing

@testable import Collectives

@Suite struct LaunchTests {
  struct Case: Sendable {
    let environment: [String: String]
    let launcher: Launch.Launcher
    let processes: Int
    let localRank: Int
    let localProcesses: Int
  }

  static let cases = [
    Case(environment: [:], launcher: .none, processes: 1, localRank: 0, localProcesses: 1),
    Case(
      environment: [
        "OMPI_COMM_WORLD_SIZE": "6", "OMPI_COMM_WORLD_LOCAL_RANK": "2",
        "OMPI_COMM_WORLD_LOCAL_SIZE": "3",
      ], launcher: .mpirun, processes: 6, localRank: 2, localProcesses: 3),
    // mpirun inside a Slurm job: mpirun started this process.
    Case(
      environment: [
        "OMPI_COMM_WORLD_SIZE": "4", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_NTASKS": "4",
      ], launcher: .mpirun, processes: 4, localRank: 0, localProcesses: 1),
    Case(
      environment: [
        "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "7", "SLURM_LOCALID": "1",
        "SLURM_NODEID": "2", "SLURM_STEP_TASKS_PER_NODE": "2(x3),1", "PMI_SIZE": "7",
      ], launcher: .slurm, processes: 7, localRank: 1, localProcesses: 2),
    Case(
      environment: [
        "SLURM_PROCID": "6", "SLURM_STEP_NUM_TASKS": "7", "SLURM_LOCALID": "0",
        "SLURM_NODEID": "3", "SLURM_STEP_TASKS_PER_NODE": "2(x3),1",
      ], launcher: .slurm, processes: 7, localRank: 0, localProcesses: 1),
    // The batch script itself is one process, however many tasks the job may start.
    Case(
      environment: ["SLURM_PROCID": "0", "SLURM_NTASKS": "16", "SLURM_JOB_ID": "9"],
      launcher: .none, processes: 1, localRank: 0, localProcesses: 1),
    Case(
      environment: ["PMI_SIZE": "3", "PMI_RANK": "1", "MPI_LOCALRANKID": "1"],
      launcher: .pmi, processes: 3, localRank: 1, localProcesses: 1),
    Case(
      environment: ["OMPI_COMM_WORLD_SIZE": "many"],
      launcher: .none, processes: 1, localRank: 0, localProcesses: 1),
  ]

  @Test(arguments: cases)
  func environment(_ expected: Case) {
    let launch = Launch(environment: expected.environment)
    #expect(launch.launcher == expected.launcher)
    #expect(launch.processes == expected.processes)
    #expect(launch.localRank == expected.localRank)
    #expect(launch.localProcesses == expected.localProcesses)
  }

  /// What srun sets with --mpi=pmix, pmi2 and none (Slurm 22.05).
  @Test(arguments: [(["PMIX_RANK": "1"], true), (["PMI_RANK": "1"], true), ([:], false)])
  func srunNeedsPMI(environment: [String: String], isConnectable: Bool) {
    let launch = Launch(
      environment: environment.merging(["SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"]) { $1 })
    #expect(launch.isConnectable == isConnectable)
    #expect(launch.rank == 1 && launch.processes == 2)
  }

  @Test func ranksOfLaunchers() {
    #expect(Launch(environment: [:]).rank == 0)
    #expect(
      Launch(environment: ["OMPI_COMM_WORLD_SIZE": "6", "OMPI_COMM_WORLD_RANK": "4"]).rank == 4)
    #expect(Launch(environment: ["PMI_SIZE": "6", "PMI_RANK": "5"]).rank == 5)
  }

  /// Two ranks, and one of another host where there is one and hosts are filled one after the other.
  @Test(arguments: [
    (1, 1, [0]), (2, 2, [0, 1]), (4, 4, [0, 1]), (4, 2, [0, 1, 2]), (4, 1, [0, 1]),
  ])
  func ranksThatSayWhereTheyAre(processes: Int, local: Int, expected: [Int]) {
    let launch = Launch(
      environment: [
        "OMPI_COMM_WORLD_SIZE": "\(processes)", "OMPI_COMM_WORLD_LOCAL_SIZE": "\(local)",
      ])
    #expect(EndingSignals.speakers(of: launch) == Set(expected))
  }

  /// Threads of one process share its machine; so would other processes.
  @Test func threadsShareTheirHost() throws {
    #expect(SingleCommunicator().ranksOnHost == 1)
    #expect(try ThreadCommunicator.run(ranks: 3) { $0.ranksOnHost } == [3, 3, 3])
  }

  /// Tests run without a launcher.
  @Test func alone() throws {
    #expect(Launch.current.launcher == .none)
    #expect(try Launch.communicator().kind == "single")
  }
}
