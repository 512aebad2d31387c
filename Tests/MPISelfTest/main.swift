// The checks of CollectivesTests over real MPI processes; `Tests/mpi/run` starts it.
//
//   mpirun -n 3 MPISelfTest           all checks; rank 0 prints `N passed, 0 failed`
//   mpirun -n 3 MPISelfTest fail      the last rank fails while the others wait for it
//   mpirun -n 3 MPISelfTest leave     the last rank exits with an error, and tells nobody
//   mpirun -n 2 MPISelfTest long      a message longer than one MPI call can count
//
// With a watchdog of 2 seconds, all ranks in step 5, each with a registered file in FOLDER:
//
//   … MPISelfTest stop FOLDER         the last rank stops itself (SIGSTOP)
//   … MPISelfTest kill FOLDER         the last rank kills itself (SIGKILL)
//   … MPISelfTest kill-first FOLDER   rank 0 does
//   … MPISelfTest absent FOLDER       the last rank sleeps while the others are in a barrier
//   … MPISelfTest silent-peer FOLDER  the same, while the others wait for messages in a chain
//   … MPISelfTest abort FOLDER        the last rank fails, and the signal is not mentioned
//   … MPISelfTest abort-busy FOLDER   the same, and rank 0 takes its time to end
//   … MPISelfTest quit FOLDER         the last rank exits with an error, and tells nobody
//   … MPISelfTest apart FOLDER        all ends well, at different times: later than the watchdog's

import CSignals
import Collectives
import CollectivesChecks
import Formats
import Foundation

func report(_ text: String) {
  FileHandle.standardError.write(Data((text + "\n").utf8))
}

/// Runs every check, and returns how many failed on at least one rank.
func runChecks(_ group: any Communicator) throws -> Int {
  var failed = 0
  for check in Check.all {
    var failures: [Double] = [0]
    do {
      try check.run(group)
    } catch {
      failures[0] = 1
      report("rank \(group.rank) of \(group.size): \(check): \(error)")
    }
    try failures.withUnsafeMutableBufferPointer { try group.allReduce($0) }
    if failures[0] > 0 { failed += 1 }
  }
  return failed
}

/// 2³¹ + 5 bytes: more than an MPI count holds, and not a multiple of the pieces.
func moveLongMessage(_ group: any Communicator) throws {
  var bytes = [UInt8](repeating: group.rank == 0 ? 3 : 0, count: 1 << 31 + 5)
  if group.rank == 0 { bytes[1 << 30] = 4 }
  bytes[bytes.count - 1] = group.rank == 0 ? 5 : 0
  try bytes.withUnsafeMutableBytes { try group.broadcast($0, root: 0) }
  let places = [0, 1 << 30 - 1, 1 << 30, 1 << 31 - 1, 1 << 31, bytes.count - 1]
  let found = places.map { bytes[$0] }
  guard found == [3, 3, 4, 3, 3, 5] else {
    throw SelfTestFailure(description: "long broadcast: found \(found)")
  }
}

/// Each rank waits for a message of the next, which never sends one.
func waitForNext(_ group: any Communicator) throws {
  var place: [UInt8] = [0]
  try place.withUnsafeMutableBytes {
    try group.exchange(
      sending: [], receiving: [IncomingMessage(from: (group.rank + 1) % group.size, bytes: $0)])
  }
}

/// As if this process got no processor for a moment when `mpirun` ends it.
func handleLate() {
  signal(SIGTERM) {
    if Launch.current.rank == 0 { usleep(100_000) }
    convoy_signals_end($0)
  }
}

/// What goes wrong, or not, under a watchdog.
func runWatched(_ mode: String, folder: String, _ group: any Communicator) throws {
  let isLast = group.rank == group.size - 1
  EndingSignals.handle()
  EndingSignals.introduce(.current, program: "MPISelfTest")
  let path = folder + "/rank\(group.rank).partial"
  let file = TemporaryFiles.register(path)
  try Data("half".utf8).write(to: URL(fileURLWithPath: path))
  let watchdog = Watchdog(
    silence: .seconds(2), arrival: .seconds(mode == "absent" || mode == "silent-peer" ? 2 : 60))
  try group.watch(watchdog) { report("MPISelfTest: error: \($0)") }
  group.enter(CollectiveStep(number: 5, description: "gather operand 1"))
  // Every rank has heard of every other one, and of the step.
  for _ in 0..<10 {
    usleep(100_000)
    try group.barrier()
  }
  switch mode {
  case "stop": if isLast { raise(SIGSTOP) }
  case "kill": if isLast { raise(SIGKILL) }
  case "kill-first": if group.rank == 0 { raise(SIGKILL) }
  case "absent", "silent-peer": if isLast { sleep(60) }
  case "quit": if isLast { exit(7) }
  case "abort", "abort-busy":
    if isLast { throw SelfTestFailure(description: "failed as it was told to") }
    if mode == "abort-busy" { handleLate() }
  default:
    // Ranks compute for longer than the watchdog's silence, and end 3 seconds after each other.
    usleep(UInt32(2_500_000 * (1 + group.rank)))
    try FileManager.default.removeItem(atPath: path)
    TemporaryFiles.unregister(file)
    if group.rank == group.size - 1 { print("1 passed, 0 failed") }
    return
  }
  if mode == "silent-peer" { try waitForNext(group) } else { try group.barrier() }
}

struct SelfTestFailure: Error, CustomStringConvertible {
  let description: String
}

func run(_ group: any Communicator) throws {
  let isLast = group.rank == group.size - 1
  let arguments = CommandLine.arguments
  switch arguments.dropFirst().first {
  case "fail":
    if isLast { throw SelfTestFailure(description: "failed as it was told to") }
    try group.barrier()
  case "leave":
    if isLast { exit(7) }
    try group.barrier()
  case "long":
    try moveLongMessage(group)
    if group.rank == 0 { print("1 passed, 0 failed") }
  case let mode? where arguments.count > 2:
    try runWatched(mode, folder: arguments[2], group)
  default:
    let failed = try runChecks(group)
    if group.rank == 0 { print("\(Check.all.count - failed) passed, \(failed) failed") }
    if failed > 0 { exit(1) }
  }
}

do {
  let group = try Launch.communicator()
  do {
    if Launch.current.processes > 1, group.kind != "mpi" {
      throw SelfTestFailure(description: "expected an mpi communicator, got \(group.kind)")
    }
    try run(group)
  } catch {
    report("rank \(group.rank) of \(group.size): \(error)")
    group.abort(code: 3)
  }
} catch {
  report("\(error)")
  exit(1)
}
