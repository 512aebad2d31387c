import Kernels
import Partitioning
import Planning
import TestSupport
import Testing

@testable import Execution

/// What a schedule allocates it releases, and right after its last use.
///
/// Prediction and run walk the same list, so that what it releases late, or never, is late in both:
/// uses are counted here.
@Suite struct ReleaseTests {
  private static let randoms = Array(
    RandomExpressions(seed: 34, limits: .init(iterations: 2_000)).prefix(150))

  @Test func everyBufferIsReleasedBeforeTheNextOneIsAllocated() throws {
    for random in Self.randoms {
      let plan = try Plan(random.bound(), options: PlanOptions(optimizer: .greedy))
      let needed = plan.expression.operands.indices.map { (random.seed >> $0) & 3 != 0 }
      for ranks in [1, 2, 6] {
        let distribution = RandomDistribution(plan, ranks: ranks, seed: random.seed).plan
        for overlap in [true, false] {
          for pass: RunSchedule.Pass in [
            .forward, .recorded, .reverse(needed: needed),
            .reverse(needed: needed, recomputing: true),
          ] {
            let schedule = try RunSchedule(distribution, pass: pass, overlap: overlap)
            let what = "\(pass) of \(random) on \(ranks) ranks"
            let lasting = Set(
              (schedule.results + (pass == .recorded ? schedule.kept.flatMap { $0 } : []))
                .compactMap { $0 })
            check(schedule, lasting: lasting, what)
          }
        }
      }
    }
  }

  private func check(_ schedule: RunSchedule, lasting: Set<Int>, _ what: String) {
    var lastUse: [Int: Int] = [:]
    var released: [Int: Int] = [:]
    var allocations: [Int] = []
    for (index, operation) in schedule.operations.enumerated() {
      switch operation {
      case .allocate(let buffer):
        allocations.append(index)
        lastUse[buffer] = index
      case .release(let buffer):
        #expect(released[buffer] == nil, "buffer \(buffer) is released twice: \(what)")
        released[buffer] = index
      default:
        for buffer in uses(of: operation, in: schedule) { lastUse[buffer] = index }
      }
    }
    for buffer in schedule.givenCount..<schedule.buffers.count {
      guard let use = lastUse[buffer] else { continue }
      guard let end = released[buffer] else {
        #expect(lasting.contains(buffer), "buffer \(buffer) is never released: \(what)")
        continue
      }
      #expect(!lasting.contains(buffer), "buffer \(buffer) is needed later: \(what)")
      #expect(end > use, "buffer \(buffer) is used after its release: \(what)")
      let late = allocations.filter { use < $0 && $0 < end }
      #expect(late.isEmpty, "buffer \(buffer) lives on: \(what)")
    }
  }

  private func uses(of operation: RunSchedule.Operation, in schedule: RunSchedule) -> [Int] {
    switch operation {
    case .allocate, .release: []
    case .clear(let buffer): [buffer]
    case .start(let transfer), .finish(let transfer):
      [schedule.transfers[transfer]].flatMap {
        [$0.source, $0.target] + [$0.outgoing, $0.incoming].compactMap { $0 }
      }
    case .run(let work): work.sources.compactMap { $0 } + [work.destination, work.workspace]
    case .add(let source, let target), .keepFirstCopy(let source, let target, _):
      [source, target]
    }
  }
}
