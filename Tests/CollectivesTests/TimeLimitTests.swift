import Collectives
import Dispatch
import Testing

@Suite(.timeLimit(.minutes(1))) struct TimeLimitTests {
  @Test func whatIsMissedIsToldOnce() {
    let late = DispatchSemaphore(value: 0)
    let limit = TimeLimit(.milliseconds(100)) { late.signal() }
    late.wait()
    #expect(late.wait(timeout: .now() + 0.5) == .timedOut)
    limit.meet()
  }

  @Test func whatIsMetIsNotTold() {
    let late = DispatchSemaphore(value: 0)
    TimeLimit(.milliseconds(300)) { late.signal() }.meet()
    #expect(late.wait(timeout: .now() + 1) == .timedOut)
  }
}
