import Collectives
import CollectivesChecks
import Testing

/// Every check over every kind of group that one process can hold; `MPISelfTest` runs the same
/// checks over MPI.
@Suite(.timeLimit(.minutes(2)))
struct GroupTests {
  @Test(arguments: Check.all)
  func single(_ check: Check) throws {
    try check.run(SingleCommunicator())
  }

  @Test(arguments: Check.all, [1, 2, 3, 4, 6, 8])
  func threads(_ check: Check, ranks: Int) throws {
    _ = try ThreadCommunicator.run(ranks: ranks) { try check.run($0) }
  }

  @Test func kinds() throws {
    #expect(SingleCommunicator().kind == "single")
    #expect(try ThreadCommunicator.run(ranks: 2) { $0.kind } == ["threads", "threads"])
  }
}
