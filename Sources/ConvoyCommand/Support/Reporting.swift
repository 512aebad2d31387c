import ArgumentParser
import Convoy
import Formats
import Foundation

/// Writes lines to standard error; if nobody listens there, so be it. What a terminal would obey is
/// escaped: see `printable`.
func note(_ text: String) {
  let text = printable(text, keepsLines: true)
  try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
}

/// Writes lines to standard output, escaped as `note` does it.
///
/// - Throws: `CommandError.standardOutput`, e.g. on a full disk: a result that is lost is a failure.
func output(_ text: String) throws {
  let text = printable(text, keepsLines: true)
  do {
    try FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8))
  } catch {
    throw CommandError.standardOutput
  }
}

/// The exit code of an error: 64 for what the user gave, 1 for what failed on the way.
func exitCode(of error: any Error) -> Int32 {
  switch error {
  case is ExpressionError, is OrderError, is NetworkError, is ValidationError: 64
  case is LayerError, is GraphError: 64
  case let error as DistributionError: error.isBadInput ? 64 : 1
  case is MachineFileError, is ScalingCasesError: 64
  case CollectiveError.withoutPMI: 64
  case let error as FormatError: error.isBadInput ? 64 : 1
  case let error as TrainingError: error.isBadInput ? 64 : 1
  case let error as CommandError: error.isBadInput ? 64 : 1
  default: 1
  }
}

extension FormatError {
  /// Whether a file that was given is missing or not what it should be; otherwise the machine failed.
  fileprivate var isBadInput: Bool {
    switch self {
    case .system(_, let operation, _): operation == "open" || operation == "read"
    case .foreignLink, .unreadPipe, .notEnoughMemory, .vanished: false
    default: true
    }
  }
}

extension DistributionError {
  fileprivate var isBadInput: Bool {
    switch self {
    case .stepTooLarge: false
    default: true
    }
  }
}

extension TrainingError {
  fileprivate var isBadInput: Bool {
    switch self {
    case .nonFiniteLoss, .nonFiniteTestLoss, .nonFiniteParameter, .outputUnwritable: false
    default: true
    }
  }
}

/// Runs a command's work on one process; an error becomes one message and an exit code.
func reporting(_ body: () throws -> Void) throws {
  do {
    try body()
  } catch let error as ExitCode {
    throw error
  } catch {
    note("convoy: error: \(error)")
    throw ExitCode(exitCode(of: error))
  }
}

/// Runs a command's work on every process that the launcher started. A rank that fails says which
/// it is, on which host, and why, and ends the job, so that no other waits for it. A rank that falls
/// silent is named by another (`Watchdog`).
///
/// - Parameter stopsGently: whether the first signal asks the work to stop (`EndingSignals.request`).
func reportingOnEveryRank(
  watchdog: Watchdog = Watchdog(), stopsGently: Bool = false,
  _ body: (any Communicator) throws -> Void
) throws {
  let launch = Launch.current
  let place =
    launch.processes == 1
    ? "" : "rank \(launch.rank) of \(launch.processes) on \(Launch.hostName): "
  let communicator: any Communicator
  // Before anything else: a signal that comes while the ranks are connected is heeded afterwards.
  EndingSignals.handle()
  EndingSignals.introduce(
    launch, program: "convoy",
    in: launch.processes == 1
      ? nil : CollectiveStep(number: 0, description: "connect the ranks"))
  if stopsGently { EndingSignals.stopGently() }
  let start = startUpLimit(watchdog, place: place)
  do {
    communicator = try Launch.communicator()
  } catch {
    // What all ranks find out by themselves one of them says.
    if !isSaidByAll(error) || launch.rank == 0 { note("convoy: error: \(error)") }
    throw ExitCode(exitCode(of: error))
  }
  do {
    try communicator.watch(watchdog) { error in
      let step = communicator.step.map { "; this rank is in \($0)" } ?? ""
      note("convoy: error: \(place)\(error)\(step)")
      silenceAbort()
    }
    start?.meet()
    try body(communicator)
    communicator.enter(CollectiveStep(number: 0, description: "take leave"))
  } catch let code as ExitCode {
    // All ranks come to this end together, and have said what there is to say.
    communicator.finish()
    throw code
  } catch {
    guard communicator.size > 1 else {
      note("convoy: error: \(error)")
      throw ExitCode(exitCode(of: error))
    }
    if isToldHere(error, rank: communicator.rank) {
      note("convoy: error: \(place)\(error)")
      silenceAbort()
    } else {
      // Whoever has something to say speaks first, and ends all processes when it has. This wait is
      // for a rank that dies before it does.
      Thread.sleep(forTimeInterval: 10)
    }
    communicator.abort(code: exitCode(of: error))
  }
}

/// Ends this rank if it is not connected with the others in time; nil for a process alone.
private func startUpLimit(_ watchdog: Watchdog, place: String) -> TimeLimit? {
  guard Launch.current.processes > 1 else { return nil }
  // The ranks that wait have all waited as long: the first one that says so ends the job.
  let turn = Duration.seconds(min(5, 0.25 * Double(Launch.current.rank)))
  return TimeLimit(watchdog.connection + turn) {
    note("convoy: error: \(place)\(CollectiveError.notConnected(in: watchdog.connection))")
    _exit(1)
  }
}

/// Whether every rank throws it before there is a group in which they could agree on who says it.
private func isSaidByAll(_ error: any Error) -> Bool {
  switch error {
  case CollectiveError.withoutPMI, CollectiveError.builtWithoutMPI: true
  default: false
  }
}

/// Whether this rank reports an error that several ranks may have.
private func isToldHere(_ error: any Error, rank: Int) -> Bool {
  switch error {
  case CollectiveError.failedElsewhere: false
  case CollectiveError.differentValues, CollectiveError.mismatchedCalls: rank == 0
  case let error as TrainingError: !error.isSameOnAllRanks || rank == 0
  default: true
  }
}

/// What only the command line can get wrong.
enum CommandError: Error, CustomStringConvertible {
  case mixedElementTypes(first: String, firstType: String, other: String, otherType: String)
  /// The gradient that is given for the result has another shape.
  case resultGradientShape(path: String, expression: String, expected: [Int], found: [Int])
  case outputFolder(path: String, isFolder: Bool)
  case outputIsFolder(path: String)
  case emptyOutput
  /// An output is the same file as an input or another output, `other`, which has its role beside its name.
  case outputReplaces(option: String, path: String, other: String)
  /// A drawing is to have the name of another kind of file.
  case notSVG(path: String)
  /// A case of a benchmark; both in bytes.
  case caseTooLarge(name: String, needed: Int, available: Int)
  /// Without mpirun ranks are threads of this process.
  case tooManyThreadRanks(asked: Int, most: Int)
  /// `--ranks` differs from the number of ranks that were started.
  case otherRanks(asked: Int, launched: Int)
  case standardOutput
  /// The ranks' sum in the self-test.
  case wrongSum(found: Double, expected: Double)

  var isBadInput: Bool {
    switch self {
    case .mixedElementTypes, .resultGradientShape: true
    case .emptyOutput, .outputReplaces, .notSVG, .outputIsFolder, .otherRanks, .tooManyThreadRanks:
      true
    case .outputFolder, .standardOutput, .wrongSum, .caseTooLarge: false
    }
  }

  var description: String {
    switch self {
    case .mixedElementTypes(let first, let firstType, let other, let otherType):
      "operands are of different element types: \(printable(first)) holds \(firstType), "
        + "\(printable(other)) holds "
        + "\(otherType); convert one of them, for the result has the type of the operands"
    case .resultGradientShape(let path, let expression, let expected, let found):
      "--result-gradient \(printable(path)) has shape \(found), but the result of "
        + "'\(printable(expression))' has "
        + "\(expected); give one number per element of the result"
    case .outputIsFolder(let path):
      "cannot write the file \(printable(path)): it is a folder; name a file in it"
    case .emptyOutput:
      "the name of an output is empty; expected a file"
    case .outputReplaces(let option, let path, let other):
      "\(option) \(printable(path)) would replace \(printable(other)); give it another name"
    case .notSVG(let path):
      "--svg \(printable(path)): what is drawn is SVG; name it \(printable(svgName(path))), and convert it "
        + "if need be, e.g. rsvg-convert -o \(printable(path)) \(printable(svgName(path)))"
    case .otherRanks(let asked, let launched):
      "--ranks \(asked), but \(launched) ranks were started; leave --ranks out under mpirun, or "
        + "start \(asked)"
    case .caseTooLarge(let name, let needed, let available):
      "case '\(printable(name))': forward and backward it takes \(needed) bytes at once, but this machine "
        + "has \(available); use smaller shapes, or --filter to leave it out"
    case .tooManyThreadRanks(let asked, let most):
      "--ranks \(asked): without mpirun the ranks are threads of this process, at most \(most); start "
        + "more with mpirun -n \(asked)"
    case .standardOutput:
      "cannot write to standard output: the disk is full, or what reads it has ended"
    case .wrongSum(let found, let expected):
      "the ranks' numbers add up to \(found), expected \(expected)"
    case .outputFolder(let path, let isFolder):
      "cannot write into the folder \(printable(path)): "
        + (isFolder ? "permission denied" : "there is no such folder")
    }
  }
}
