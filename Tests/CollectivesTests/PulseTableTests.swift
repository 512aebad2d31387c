import Testing

@testable import Collectives

/// Ranks that gossip, on a clock of the test: every second each living rank sends its table.
@Suite struct PulseTableTests {
  struct World {
    var tables: [PulseTable]
    var stopped: Set<Int> = []
    var now = 0.0

    init(size: Int) {
      tables = (0..<size).map {
        PulseTable(rank: $0, size: size, silence: 10, interval: 1, now: 0)
      }
    }

    /// Returns what each rank reports at the end of the second.
    mutating func second() -> [Int: [Int]] {
      now += 1
      let living = tables.indices.filter { !stopped.contains($0) }
      for rank in living {
        tables[rank].beat(agreements: rank, isWaiting: rank == 0, step: rank + 5, now: now)
        var words = tables[rank].words
        for distance in PulseTable.distances(size: tables.count) {
          let peer = (rank + distance) % tables.count
          guard !stopped.contains(peer) else { continue }
          words.withUnsafeMutableBufferPointer { tables[peer].merge($0, now: now) }
        }
      }
      var reports: [Int: [Int]] = [:]
      for rank in living {
        let silent = tables[rank].silent(now: now)
        if !silent.isEmpty { reports[rank] = silent }
      }
      return reports
    }

    /// The first reports, and the seconds until then.
    mutating func run(seconds: Int) -> (after: Int, reports: [Int: [Int]])? {
      for passed in 1...seconds {
        let reports = second()
        if !reports.isEmpty { return (passed, reports) }
      }
      return nil
    }
  }

  @Test func distances() {
    #expect(PulseTable.distances(size: 1) == [])
    #expect(PulseTable.distances(size: 2) == [1])
    #expect(PulseTable.distances(size: 4) == [1, 2, 3])
    #expect(PulseTable.distances(size: 5) == [1, 2, 3, 4])
    #expect(PulseTable.distances(size: 20) == [1, 2, 4, 8, 12, 16, 18, 19])
  }

  @Test(arguments: [1, 2, 3, 5, 64, 300])
  func nobodyIsSilentWhileAllLive(size: Int) {
    var world = World(size: size)
    let early = world.run(seconds: 40)?.reports
    #expect(early == nil)
  }

  @Test(arguments: [2, 3, 5, 64])
  func newsReachEverybody(size: Int) {
    var world = World(size: size)
    _ = world.run(seconds: PulseTable.distances(size: size).count + 1)
    for table in world.tables {
      for rank in 0..<size {
        let line = table.lines[rank]
        #expect(line.beats > 0 && line.agreements == rank && line.step == rank + 5)
        #expect(line.isWaiting == (rank == 0))
      }
    }
  }

  @Test(arguments: [2, 3, 4, 64])
  func oneStoppedRankIsReportedByTheNext(size: Int) throws {
    for stopped in [0, 1, size - 1] {
      var world = World(size: size)
      let early = world.run(seconds: 20)?.reports
      #expect(early == nil)
      world.stopped = [stopped]
      let run = world.run(seconds: 20)
      let found = try #require(run)
      #expect(found.reports == [(stopped + 1) % size: [stopped]])
      #expect((10...12).contains(found.after))
    }
  }

  /// A machine with ranks 2 to 5 is gone.
  @Test func neighboursAreReportedTogether() throws {
    var world = World(size: 8)
    _ = world.run(seconds: 20)
    // Of the ranks that rank 6 hears from behind, none is left.
    world.stopped = [2, 3, 4, 5]
    let run = world.run(seconds: 20)
    let found = try #require(run)
    #expect(found.reports == [6: [2, 3, 4, 5]])
  }

  /// Ranks 1 and 5 are in different places: the first place reports both.
  @Test func ranksInSeveralPlacesAreReportedOnce() throws {
    var world = World(size: 8)
    _ = world.run(seconds: 20)
    world.stopped = [1, 5]
    let run = world.run(seconds: 20)
    let found = try #require(run)
    #expect(found.reports == [2: [1, 5]])
  }

  /// A rank that was stopped itself has heard nothing, which says nothing about the others.
  @Test func whoeverWasStoppedBeginsAnew() {
    var world = World(size: 3)
    _ = world.run(seconds: 5)
    #expect(world.tables[0].silent(now: world.now + 11) == [1, 2])
    world.tables[0].restart(now: world.now + 11)
    #expect(world.tables[0].silent(now: world.now + 12) == [])
  }

  /// Rank 2 sends so long a message to rank 1 that its words wait behind it. Rank 1 sees it arrive, and
  /// vouches for it to rank 0, which watches it; when nothing arrives any more, it is silent.
  @Test func whoReceivesVouches() throws {
    var world = World(size: 3)
    _ = world.run(seconds: 5)
    world.stopped = [2]
    for _ in 0..<40 {
      world.tables[1].see(2, now: world.now)
      #expect(world.second().isEmpty)
    }
    let run = world.run(seconds: 20)
    let found = try #require(run)
    #expect(found.reports == [0: [2]])
    #expect((10...12).contains(found.after))
  }

  /// A rank that is to stop does not wait for one of which nobody has heard since.
  @Test func ranksAreMissedSinceATime() {
    var world = World(size: 4)
    _ = world.run(seconds: 5)
    let time = world.now + 0.5
    world.stopped = [3]
    #expect(world.run(seconds: 7)?.reports == nil)
    #expect(!world.tables[0].isMissing(since: time, now: world.now))
    #expect(world.run(seconds: 2)?.reports == nil)
    #expect(world.tables[0].isMissing(since: time, now: world.now))
    #expect(!world.tables[0].isMissing(since: 4, now: world.now + 1))
  }

  /// Long before a silence is sure, and never while all live.
  @Test(arguments: [2, 4, 64])
  func ranksAreQuietBeforeTheyAreSilent(size: Int) {
    var world = World(size: size)
    for _ in 0..<30 {
      _ = world.second()
      for rank in 0..<size { #expect(world.tables[rank].quiet(now: world.now + 0.9) == []) }
    }
    guard size <= 4 else { return }
    world.stopped = [1]
    #expect(world.run(seconds: 5)?.reports == nil)
    #expect(world.tables[0].quiet(now: world.now) == [1])
  }

  @Test func oldNewsAreNoNews() {
    var table = PulseTable(rank: 0, size: 2, silence: 10, interval: 1, now: 0)
    var other = PulseTable(rank: 1, size: 2, silence: 10, interval: 1, now: 0)
    other.beat(agreements: 1, isWaiting: false, step: nil, now: 1)
    var old = other.words
    other.beat(agreements: 2, isWaiting: true, step: nil, now: 2)
    var new = other.words
    new.withUnsafeMutableBufferPointer { table.merge($0, now: 2) }
    old.withUnsafeMutableBufferPointer { table.merge($0, now: 11) }
    #expect(table.lines[1] == PulseTable.Line(beats: 2, agreements: 2, isWaiting: true, seen: 2000))
    #expect(table.silent(now: 12.5) == [1])
  }
}
