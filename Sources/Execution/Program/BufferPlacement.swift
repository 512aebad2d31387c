/// Where buffers of known lives lie in one piece of memory.
///
/// The largest first, each at the lowest address where nothing lies that lives at the same time: the
/// greedy-by-size strategy of Pisarchyk and Lee, *Efficient Memory Management for Deep Neural Net
/// Inference*, 2020 (arXiv 2001.03288).
///
/// ```swift
/// let placement = BufferPlacement([
///   .init(bytes: 640, first: 0, last: 1), .init(bytes: 64, first: 2, last: 3),
/// ])
/// placement.bytes  // 640: the second takes the place of the first
/// ```
struct BufferPlacement {
  struct Life: Hashable {
    let bytes: Int
    /// The first and the last operation that it is there for.
    let first: Int
    var last: Int
  }

  static let alignment = 64

  /// By buffer.
  private(set) var offsets: [Int]
  /// Of all of it.
  private(set) var bytes = 0
  /// The most that lives at once.
  let liveBytes: Int

  init(_ lives: [Life]) {
    offsets = lives.map { _ in 0 }
    liveBytes = Self.mostAlive(lives)
    let order = lives.indices.sorted {
      (lives[$0].bytes, $1) > (lives[$1].bytes, $0)
    }
    // By address, of what has its place.
    var placed: [Int] = []
    for buffer in order where lives[buffer].bytes > 0 {
      let life = lives[buffer]
      var offset = 0
      for other in placed {
        let neighbour = lives[other]
        guard neighbour.first <= life.last, life.first <= neighbour.last else { continue }
        if offsets[other] >= offset + Self.padded(life.bytes) { break }
        offset = max(offset, offsets[other] + Self.padded(neighbour.bytes))
      }
      offsets[buffer] = offset
      bytes = max(bytes, offset + Self.padded(life.bytes))
      let position = placed.partitioningIndex { offsets[$0] > offset }
      placed.insert(buffer, at: position)
    }
  }

  static func padded(_ bytes: Int) -> Int { (bytes + alignment - 1) / alignment * alignment }

  private static func mostAlive(_ lives: [Life]) -> Int {
    var changes: [(time: Int, bytes: Int)] = []
    for life in lives {
      changes.append((life.first, padded(life.bytes)))
      changes.append((life.last + 1, -padded(life.bytes)))
    }
    // What ends makes room for what begins.
    changes.sort { ($0.time, $0.bytes) < ($1.time, $1.bytes) }
    var (live, most) = (0, 0)
    for change in changes {
      live += change.bytes
      most = max(most, live)
    }
    return most
  }
}

extension [Int] {
  /// The first index whose element fulfils a condition that all after it fulfil too.
  fileprivate func partitioningIndex(_ condition: (Int) -> Bool) -> Int {
    var (low, high) = (startIndex, endIndex)
    while low < high {
      let middle = (low + high) / 2
      if condition(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
