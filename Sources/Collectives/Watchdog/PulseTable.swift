/// What a rank knows of the others: how often each has given a sign of life, and where it was.
///
/// The ranks send each other the whole table, and keep of every rank the newest line they saw
/// (gossip; van Renesse, Minsky and Hayden, "A gossip-style failure detection service", 1998).
/// Each sends to the ranks 1, 2, 4, … further and back, so that news reach everybody in at most
/// ⌈log₂ P⌉ intervals, and silent ranks stand in nobody's way, even all those of a machine.
///
/// A line has two parts that age apart: what the rank itself has said last, and when anybody last had a
/// sign of its life, be it its own word or a piece of its messages. For these may be in the way of its
/// word, and the one that gets them vouches for it.
///
/// Every rank watches the one before it, so that one rank reports. Times are in seconds.
struct PulseTable {
  struct Line: Equatable {
    /// Signs of life so far.
    var beats = 0
    /// Calls of collectives so far, the present one included.
    var agreements = 0
    var isWaiting = false
    /// The number of the step; nil outside of steps.
    var step: Int?
    /// The time of the last sign of life that somebody had, in milliseconds since the table began.
    var seen = 0
  }

  let rank: Int
  let silence: Double
  /// Of news between any two ranks, at most about.
  private let delay: Double
  private(set) var lines: [Line]
  /// When this rank last heard that a rank lives.
  private var heard: [Double]
  private let start: Double

  init(rank: Int, size: Int, silence: Double, interval: Double, now: Double) {
    self.rank = rank
    self.silence = silence
    // ⌈log₂ P⌉, and two for what has just missed a message.
    delay = Double(Int.bitWidth - (size - 1).leadingZeroBitCount + 2) * interval
    lines = Array(repeating: Line(), count: size)
    heard = Array(repeating: now, count: size)
    // The ranks begin together, so their times differ by no more than a message takes.
    start = now
  }

  /// How much further the ranks are to which a rank sends, around the ring: ±1, ±2, ±4, …
  static func distances(size: Int) -> [Int] {
    let powers = sequence(first: 1) { $0 * 2 }.prefix { $0 < size }
    return Set(powers.flatMap { [$0, size - $0] }).sorted()
  }

  /// This rank's own sign of life.
  mutating func beat(agreements: Int, isWaiting: Bool, step: Int?, now: Double) {
    let beats = lines[rank].beats + 1
    lines[rank] = Line(beats: beats, agreements: agreements, isWaiting: isWaiting, step: step)
    see(rank, now: now)
  }

  /// This rank has had a sign of another's life.
  mutating func see(_ other: Int, now: Double) {
    lines[other].seen = max(lines[other].seen, Int((now - start) * 1000))
    heard[other] = now
  }

  /// Takes what is newer in the table of another rank, the first of the words.
  mutating func merge(_ words: UnsafeMutableBufferPointer<Int64>, now: Double) {
    guard words.count >= lines.count * Self.wordsPerLine else { return }
    for other in lines.indices where other != rank {
      var line = Line(of: other, in: words)
      if line.seen > lines[other].seen { heard[other] = now }
      line.seen = max(line.seen, lines[other].seen)
      if line.beats <= lines[other].beats {
        lines[other].seen = line.seen
      } else {
        lines[other] = line
      }
    }
  }

  /// Whether some rank has not been heard of since a time at which all that live should have been.
  func isMissing(since time: Double, now: Double) -> Bool {
    now - time > 2 * delay && lines.indices.contains { $0 != rank && heard[$0] < time }
  }

  /// The ranks that have not been heard of for longer than news take; some may be all right.
  func quiet(now: Double) -> [Int] {
    lines.indices.filter { $0 != rank && now - heard[$0] > delay }
  }

  /// Everybody's silence begins anew: this rank has not listened for a while.
  mutating func restart(now: Double) {
    heard = heard.map { _ in now }
  }

  /// The ranks that this rank is to report as silent.
  ///
  /// Those are the rank before it, and others whose silence is too long for news on their way. Where
  /// ranks in several places are silent, the first that follows one of them reports all; the others
  /// only if nothing has come of that.
  func silent(now: Double) -> [Int] {
    let size = lines.count
    let previous = (rank + size - 1) % size
    let quiet = now - heard[previous]
    guard size > 1, quiet > silence else { return [] }
    let sure = max(silence / 2, delay)
    let ranks = (0..<size).filter { $0 == previous || $0 != rank && now - heard[$0] > sure }
    let reporter = ranks.lazy.map { ($0 + 1) % size }.first { !ranks.contains($0) }
    return reporter == rank || quiet > 1.5 * silence ? ranks : []
  }
}

extension PulseTable {
  static let wordsPerLine = 5

  /// The table as it is sent.
  var words: [Int64] {
    lines.flatMap {
      [
        Int64($0.beats), Int64($0.agreements), $0.isWaiting ? 1 : 0, Int64($0.step ?? -1),
        Int64($0.seen),
      ]
    }
  }
}

extension PulseTable.Line {
  /// The line of a rank in a table that was received.
  init(of rank: Int, in words: UnsafeMutableBufferPointer<Int64>) {
    let first = rank * PulseTable.wordsPerLine
    self.init(
      beats: Int(words[first]), agreements: Int(words[first + 1]),
      isWaiting: words[first + 2] != 0, step: words[first + 3] == -1 ? nil : Int(words[first + 3]),
      seen: Int(words[first + 4]))
  }
}
