/// One loop around a kernel, with its steps in the two sources and the destination as they lie when
/// the kernel runs.
struct LoopLevel: Sendable {
  let count: Int
  let a: Int
  let b: Int
  let d: Int
}

/// The indices of nested loops, the last one fastest, and the offsets that they add up to.
struct LoopWalk {
  let loops: [LoopLevel]
  var indices: [Int]
  var a = 0
  var b = 0
  var d = 0

  init(_ loops: [LoopLevel], start: Int) {
    self.loops = loops
    indices = [Int](repeating: 0, count: loops.count)
    var remaining = start
    for number in loops.indices.reversed() {
      let loop = loops[number]
      indices[number] = remaining % max(1, loop.count)
      remaining /= max(1, loop.count)
      move(loop, by: indices[number])
    }
  }

  private mutating func move(_ loop: LoopLevel, by steps: Int) {
    a += steps * loop.a
    b += steps * loop.b
    d += steps * loop.d
  }

  /// Indices of the innermost loop from this one to its end.
  var innermostRemaining: Int { loops.last.map { $0.count - indices[loops.count - 1] } ?? 1 }

  /// - Parameter steps: of the innermost loop, no more than remain; after the last of all it is at the
  ///   start again.
  mutating func advance(by steps: Int) {
    var number = loops.count - 1
    var steps = steps
    while number >= 0 {
      let loop = loops[number]
      if indices[number] + steps < loop.count {
        indices[number] += steps
        return move(loop, by: steps)
      }
      steps = 1
      move(loop, by: -indices[number])
      indices[number] = 0
      number -= 1
    }
  }
}
