// The checks of CollectivesTests over real MPI processes; `Tests/mpi/run` starts it.
//
//   mpirun -n 3 MPISelfTest           all checks; rank 0 prints `N passed, 0 failed`
//   mpirun -n 3 MPISelfTest fail      the last rank fails while the others wait for it
//   mpirun -n 3 MPISelfTest leave     the last rank exits with an error, and tells nobody
//   mpirun -n 2 MPISelfTest long      a message longer than one MPI call can count

import Collectives
import CollectivesChecks
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

struct SelfTestFailure: Error, CustomStringConvertible {
  let description: String
}

func run(_ group: any Communicator) throws {
  let isLast = group.rank == group.size - 1
  switch CommandLine.arguments.dropFirst().first {
  case "fail":
    if isLast { throw SelfTestFailure(description: "failed as it was told to") }
    try group.barrier()
  case "leave":
    if isLast { exit(7) }
    try group.barrier()
  case "long":
    try moveLongMessage(group)
    if group.rank == 0 { print("1 passed, 0 failed") }
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
