import Convoy

extension Launch {
  /// Whether this process speaks for all that the launcher started, for commands that run on one process. None of them
  /// begins MPI for it: the others end at once, and leave their cores to the first.
  var isFirst: Bool { rank == 0 }
}

/// Runs the work of a command for one process on the first of those that were started; an error becomes one message and
/// an exit code.
///
/// - Parameter command: what says that the others had nothing to do, where that may surprise: `bench layers`.
func reportingOnFirst(command: String? = nil, _ body: () throws -> Void) throws {
  guard Launch.current.isFirst else { return }
  if let command, Launch.current.processes > 1 {
    note("convoy: note: '\(command)' runs on one of the \(Launch.current.processes) processes")
  }
  try reporting(body)
}
