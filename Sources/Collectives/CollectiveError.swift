/// What goes wrong between ranks.
///
/// ```swift
/// do {
///   try communicator.barrier()
/// } catch CollectiveError.rankFailed(let rank, let description) {
///   log.error("rank \(rank): \(description)")
/// }
/// ```
public enum CollectiveError: Error, Hashable, Sendable {
  /// Another rank threw this error, and will not take part any more.
  case rankFailed(rank: Int, description: String)
  /// A message was expected from, or meant for, a rank whose work has returned.
  case rankEnded(rank: Int)
  /// The ranks did not make the same call; the calls are in order of ranks.
  case mismatchedCalls([CollectiveCall])
  case rootOutOfRange(root: Int, size: Int)
  /// `counts` needs one entry per rank.
  case countsPerRank(CollectiveCall.Operation, expected: Int, found: Int)
  case negativeCount(CollectiveCall.Operation, rank: Int, count: Int)
  /// The caller's own part is not as long as its count.
  case partLength(CollectiveCall.Operation, expected: Int, found: Int)
  /// The whole buffer is not as long as the parts together.
  case wholeLength(CollectiveCall.Operation, expected: Int, found: Int)
  case noSuchRank(Int, size: Int)
  /// An exchange sends a rank's messages to itself and receives another number of them.
  case ownMessages(sent: Int, expected: Int)
  /// Bytes; `found` is nil where the communicator only knows that they were more.
  case messageLength(from: Int, expected: Int, found: Int?)
  /// `ThreadCommunicator.run` was asked for fewer ranks than one.
  case noRanks(Int)
  /// What all ranks did together failed on these ranks; the first of them throws the error itself.
  case failedElsewhere(ranks: [Int])
  /// These ranks have another value than rank 0.
  case differentValues(what: String, ranks: [Int])
  /// `waiting` waited so long, in whole seconds, for ranks that did not come.
  case timedOut(waiting: RankState, missing: [RankState], size: Int, seconds: Int)
  /// Ranks that have stopped to give signs of life: stopped, or their machine is gone.
  case silent([RankState], size: Int, seconds: Int)
  case mpi(operation: String, code: Int32, message: String)
  /// The MPI library was built without the support for threads that Convoy needs.
  case mpiThreadSupport(required: Int32, provided: Int32)
  /// A launcher started several processes of a Convoy that was built without MPI.
  case builtWithoutMPI(launcher: Launch.Launcher, processes: Int)
  /// MPI has not connected this rank with the others in so many seconds; of its machine, these are stopped.
  case notConnected(seconds: Int, stopped: [Int])
  /// MPI has not taken leave of the other ranks in so many seconds; of this machine, these are stopped.
  case notEnded(seconds: Int, stopped: [Int])
  /// `srun` started several processes, but told them no way to find each other.
  case withoutPMI(processes: Int)
  /// The launcher started so many processes, but MPI connected another number of them.
  case launcherNotConnected(launcher: Launch.Launcher, processes: Int, connected: Int)
}

extension CollectiveError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .rankFailed(let rank, let description):
      "rank \(rank) failed: \(description)"
    case .rankEnded(let rank):
      "rank \(rank) has returned while a message from or to it was pending; "
        + "all ranks must make the same calls"
    case .mismatchedCalls(let calls):
      "the ranks do not make the same collective call: \(Self.byCall(calls))"
    case .rootOutOfRange(let root, let size):
      "broadcast from root \(root): the group has ranks 0 to \(size - 1)"
    case .countsPerRank(let operation, let expected, let found):
      "\(operation): counts needs one entry for each of the \(expected) ranks, but has \(found)"
    case .negativeCount(let operation, let rank, let count):
      "\(operation): the count of rank \(rank) is \(count); counts must not be negative"
    case .partLength(let operation, let expected, let found):
      "\(operation): this rank's part has length \(found), but its count is \(expected)"
    case .wholeLength(let operation, let expected, let found):
      "\(operation): the whole buffer has length \(found), but the counts add up to \(expected)"
    case .noSuchRank(let rank, let size):
      "a message names rank \(rank): the group has ranks 0 to \(size - 1)"
    case .ownMessages(let sent, let expected):
      "an exchange sends \(sent) messages to its own rank, but receives \(expected) from it"
    case .messageLength(let source, let expected, let found):
      "the message from rank \(source) has \(found.map { "\($0)" } ?? "more") bytes; "
        + "expected \(expected)"
    case .noRanks(let ranks):
      "cannot run on \(ranks) ranks; the least is 1"
    case .failedElsewhere(let ranks):
      "stopped because \(Self.list(ranks)) failed"
    case .differentValues(let what, let ranks):
      "\(Self.list(ranks)) \(ranks.count == 1 ? "has" : "have") another \(what) than rank 0; give "
        + "all ranks the same input and options, and run the same program on all machines"
    case .timedOut(let waiting, let missing, let size, let seconds):
      "rank \(waiting.rank) of \(size) has waited \(seconds) s"
        + (waiting.step.map { " in \($0)" } ?? "") + " for "
        + (missing.isEmpty ? "the others" : Self.list(missing, ", which is in ", ", and "))
    case .silent(let ranks, let size, let seconds):
      if ranks.count == 1 {
        "rank \(ranks[0].rank) of \(size)\(ranks[0].host.map { " on \($0)" } ?? "") gave no sign of "
          + "life for \(seconds) s" + (ranks[0].step.map { "; it was last in \($0)" } ?? "")
      } else {
        "ranks of \(size) gave no sign of life for \(seconds) s: "
          + Self.list(ranks, ", last in ", "; ")
      }
    case .mpi(let operation, let code, let message):
      "\(operation) failed with code \(code): \(message)"
    case .mpiThreadSupport(let required, let provided):
      "this MPI library gives thread support level \(provided), but Convoy needs \(required) "
        + "(MPI_THREAD_SERIALIZED); use an MPI library built with thread support"
    case .builtWithoutMPI(let launcher, let processes):
      "\(launcher) started \(processes) processes, but this convoy was built without MPI: each "
        + "would run alone and overwrite the others' output; build it with the MPI trait "
        + "(without --disable-default-traits), or start one process"
    case .notConnected(let seconds, let stopped):
      "start-up: MPI has not connected the ranks in \(seconds) s: \(Self.absence(stopped)); start again, "
        + "with a longer --timeout if the ranks need it"
    case .notEnded(let seconds, let stopped):
      "end: MPI has not taken leave of the other ranks in \(seconds) s: \(Self.absence(stopped)); results "
        + "that were reported are whole"
    case .withoutPMI(let processes):
      "srun started \(processes) processes, but without PMI they cannot find each other; start them "
        + "with srun --mpi=pmix (srun --mpi=list tells what there is), or with mpirun in a batch script"
    case .launcherNotConnected(let launcher, let processes, let connected):
      "\(launcher) started \(processes) processes, but MPI connected \(connected); use the mpirun "
        + "of the MPI library that convoy is linked with, or srun --mpi=pmix"
    }
  }

  /// Why ranks do not come, as far as this machine knows.
  private static func absence(_ stopped: [Int]) -> String {
    switch stopped.count {
    case 0: "one of them was stopped or is gone, or the link to its host is cut"
    case 1: "\(list(stopped)) is stopped"
    default: "\(list(stopped)) are stopped"
    }
  }

  /// Ranks that make equal calls are named together, in order of their first rank.
  private static func byCall(_ calls: [CollectiveCall]) -> String {
    var groups: [(call: CollectiveCall, ranks: [Int])] = []
    for (rank, call) in calls.enumerated() {
      if let group = groups.firstIndex(where: { $0.call == call }) {
        groups[group].ranks.append(rank)
      } else {
        groups.append((call, [rank]))
      }
    }
    // Calls that differ only in the lengths of parts read the same: then say where they differ.
    let texts = Set(groups.map { "\($0.call)" })
    let suffix = texts.count < groups.count ? ", with different lengths of parts" : ""
    return groups.map { "\(list($0.ranks)): \($0.call)" }.joined(separator: "; ") + suffix
  }

  private static func list(_ ranks: [RankState], _ verb: String, _ separator: String) -> String {
    ranks.map { $0.place + ($0.step.map { step in "\(verb)\(step)" } ?? "") }
      .joined(separator: separator)
  }

  private static func list(_ ranks: [Int]) -> String {
    "rank\(ranks.count == 1 ? "" : "s") \(ranks.map(String.init).joined(separator: ", "))"
  }
}
