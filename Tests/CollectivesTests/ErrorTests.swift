import Collectives
import Testing

/// The messages as people read them.
@Suite struct ErrorTests {
  static let snapshots: [(CollectiveError, String)] = [
    (
      .mismatchedCalls([
        CollectiveCall(.allReduce, element: .float, count: 5),
        CollectiveCall(.allReduce, element: .float, count: 7),
        CollectiveCall(.allReduce, element: .float, count: 5),
        CollectiveCall(.broadcast, count: 1, root: 2),
      ]),
      "the ranks do not make the same collective call: ranks 0, 2: calls allReduce of 5 floats; "
        + "rank 1: calls allReduce of 7 floats; rank 3: calls broadcast of 1 byte from root 2"
    ),
    (.noSuchRank(4, size: 4), "a message names rank 4: the group has ranks 0 to 3"),
    (
      .messageLength(from: 2, expected: 8, found: nil),
      "the message from rank 2 has more bytes; expected 8"
    ),
    (
      .messageLength(from: 2, expected: 8, found: 4),
      "the message from rank 2 has 4 bytes; expected 8"
    ),
    (.failedElsewhere(ranks: [2]), "stopped because rank 2 failed"),
    (.failedElsewhere(ranks: [0, 2]), "stopped because ranks 0, 2 failed"),
    (
      .differentValues(what: "plan", ranks: [1, 3]),
      "ranks 1, 3 have another plan than rank 0; give all ranks the same input and options, and "
        + "run the same program on all machines"
    ),
    (
      .timedOut(
        waiting: RankState(rank: 0, step: CollectiveStep(number: 5, description: "reduce")),
        missing: [
          RankState(rank: 2, host: "b", step: CollectiveStep(number: 4, description: "")),
          RankState(rank: 3, host: "b"),
        ], size: 4, seconds: 600),
      "rank 0 of 4 has waited 600 s in step 5 (reduce) for rank 2 on b, which is in step 4, and "
        + "rank 3 on b"
    ),
    (
      .timedOut(waiting: RankState(rank: 1), missing: [], size: 4, seconds: 60),
      "rank 1 of 4 has waited 60 s for the others"
    ),
    (
      .silent(
        [
          RankState(
            rank: 2, host: "b", step: CollectiveStep(number: 5, description: "gather operand 1"))
        ], size: 4, seconds: 10),
      "rank 2 of 4 on b gave no sign of life for 10 s; it was last in step 5 (gather operand 1)"
    ),
    (
      .silent(
        [
          RankState(rank: 2, host: "b"),
          RankState(rank: 3, host: "b", step: CollectiveStep(number: 5, description: "")),
        ], size: 4, seconds: 10),
      "ranks of 4 gave no sign of life for 10 s: rank 2 on b; rank 3 on b, last in step 5"
    ),
    (.noRanks(0), "cannot run on 0 ranks; the least is 1"),
    (
      .mpi(operation: "MPI_Waitall", code: 18, message: "MPI_ERR_IN_STATUS"),
      "MPI_Waitall failed with code 18: MPI_ERR_IN_STATUS"
    ),
    (
      .builtWithoutMPI(launcher: .mpirun, processes: 4),
      "mpirun started 4 processes, but this convoy was built without MPI: each would run alone "
        + "and overwrite the others' output; build it with the MPI trait (without "
        + "--disable-default-traits), or start one process"
    ),
    (
      .notConnected(seconds: 60, stopped: []),
      "start-up: MPI has not connected the ranks in 60 s: one of them was stopped or is gone, or "
        + "the link to its host is cut; start again, with a longer --timeout if the ranks need it"
    ),
    (
      .notConnected(seconds: 60, stopped: [1]),
      "start-up: MPI has not connected the ranks in 60 s: rank 1 is stopped; start again, with a "
        + "longer --timeout if the ranks need it"
    ),
    (
      .notEnded(seconds: 60, stopped: [1, 3]),
      "end: MPI has not taken leave of the other ranks in 60 s: ranks 1, 3 are stopped; results "
        + "that were reported are whole"
    ),
    (
      .launcherNotConnected(launcher: .slurm, processes: 8, connected: 1),
      "srun started 8 processes, but MPI connected 1; use the mpirun of the MPI library that "
        + "convoy is linked with, or srun --mpi=pmix"
    ),
  ]

  @Test(arguments: snapshots.indices)
  func text(_ index: Int) {
    #expect("\(Self.snapshots[index].0)" == Self.snapshots[index].1)
  }
}
