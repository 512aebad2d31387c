import CKernels
import Synchronization

/// Which tiles minimal filtering leaves to direct sums.
///
/// A tile's results are off by some 1e-6 of the largest terms that the tile could have, whichever of them they are made
/// of. That may be no more than 2⁻¹⁶ of the terms that a result does have, and of those of a typical result of its image
/// (`docs/accuracy.md`): so a tile whose largest window is far above its image's median window, and above the least of
/// its own, is computed as it is defined. So is one that holds what is not finite, and where products come near to
/// the ends of what floating point can hold.
extension WinogradNest {
  /// Marks of tiles, [row][column], rows counted through all samples. Each run of groups marks its own, sample by sample, and reads
  /// no other's: so threads share them unlocked.
  final class Outliers: @unchecked Sendable {
    private let marks: UnsafeMutableBufferPointer<Bool>
    /// Of rows: whether any tile of it is marked, and whether nothing infinite was met that began in it.
    private let marked: UnsafeMutableBufferPointer<Bool>
    private let finite: UnsafeMutableBufferPointer<Bool>
    private let columns: Int

    fileprivate init(rows: Int, columns: Int) {
      self.columns = columns
      marks = .allocate(capacity: rows * columns)
      marks.initialize(repeating: false)
      marked = .allocate(capacity: rows)
      marked.initialize(repeating: false)
      finite = .allocate(capacity: rows)
      finite.initialize(repeating: true)
    }

    deinit {
      marks.deallocate()
      marked.deallocate()
      finite.deallocate()
    }

    /// Whether what was met of the source that padding must not meet is finite.
    var isFinite: Bool { isFinite(finite.indices) }

    func isFinite(_ rows: Range<Int>) -> Bool { finite[rows].allSatisfy { $0 } }

    /// The marked tiles of some rows.
    func tiles(_ rows: Range<Int>) -> [(row: Int, column: Int)] {
      var tiles: [(row: Int, column: Int)] = []
      for row in rows where marked[row] {
        for column in 0..<columns where marks[row * columns + column] {
          tiles.append((row, column))
        }
      }
      return tiles
    }

    fileprivate func mark(_ row: Int, _ isMarked: ArraySlice<Bool>) {
      for (column, isMarked) in isMarked.enumerated() where isMarked {
        marks[row * columns + column] = true
        marked[row] = true
      }
    }

    fileprivate func foundInfinity(row: Int) { finite[row] = false }
  }

  /// Of the taps: the median of their exponents, and the largest.
  struct TapExponents {
    let median: Int
    let largest: Int
  }

  /// What one run of groups looks through: each sample just before its first tiles are copied, so that it is read from
  /// memory once.
  struct Scan<Element: TensorElement> {
    private let nest: WinogradNest
    private let outliers: Outliers
    private let runRows: Range<Int>
    private let x: UnsafePointer<Element>
    private let y: UnsafePointer<Element>?
    private let taps: TapExponents?
    private var next: Int
    private var counts = ExponentCounts(limit: 2 * Element.infiniteExponent)
    private var windows: WindowMagnitudes
    private var results: WindowMagnitudes

    /// - Parameters:
    ///   - rows: of the run.
    ///   - x: the data.
    ///   - y: the results, where taps are written.
    init(
      _ nest: WinogradNest, _ outliers: Outliers, rows: Range<Int>,
      _ x: UnsafePointer<Element>, _ y: UnsafePointer<Element>?, _ taps: TapExponents?
    ) {
      (self.nest, self.outliers, runRows) = (nest, outliers, rows)
      (self.x, self.y, self.taps) = (x, y, taps)
      next = rows.lowerBound / nest.rows.tiles
      windows = WindowMagnitudes(
        rows: .init(data: nest.rows), columns: .init(data: nest.columns),
        channels: nest.data.channels)
      results = WindowMagnitudes(
        rows: .init(results: nest.rows), columns: .init(results: nest.columns),
        channels: nest.results.channels)
    }

    /// Marks the tiles of all samples that a group comes to. Threads share them, where there are several.
    ///
    /// - Returns: whether their results are finite, where taps are written.
    mutating func reach(_ group: Range<Int>) -> Bool {
      let samples = next..<max(next, (group.upperBound - 1) / nest.rows.tiles + 1)
      next = samples.upperBound
      guard samples.count > 1 else { return samples.allSatisfy { look(at: $0) } }
      nonisolated(unsafe) let scan = self
      ThreadPool.run(over: samples.count, nanoseconds: Double(samples.count) * nanoseconds) {
        part in
        var own = scan
        for sample in part { _ = own.look(at: samples.lowerBound + sample) }
      }
      return outliers.isFinite(group)
    }

    /// Of a sample.
    private var nanoseconds: Double {
      let channels = nest.inputs + (y == nil ? 0 : nest.outputs)
      return 0.1 * Double(nest.rows.dataExtent * nest.columns.dataExtent * channels)
    }

    private mutating func look(at sample: Int) -> Bool {
      let first = sample * nest.rows.tiles
      windows.read(nest.data, x + nest.data.samples[sample])
      if let y {
        results.read(nest.results, y + nest.results.samples[sample])
        let largest = results.largest.max() ?? 0
        guard Element.exponent(of: largest) < Element.infiniteExponent else {
          outliers.foundInfinity(row: max(first, runRows.lowerBound))
          return false
        }
      }
      let marks = nest.marks(
        windows.largest, y == nil ? nil : results.largest, taps, &counts, Element.self)
      for row in 0..<(marks.isEmpty ? 0 : nest.rows.tiles) where runRows.contains(first + row) {
        let columns = nest.columns.tiles
        outliers.mark(first + row, marks[row * columns..<(row + 1) * columns])
      }
      return true
    }
  }

  /// How far a tile's largest window may be above the median, as a power of two: further where more terms are
  /// added up, whose typical size then is further above that of one outlier's error.
  private var headroom: Int {
    inputs >= 32 ? 8 : inputs >= 8 ? 7 : inputs >= 3 ? 6 : 5
  }

  /// The same where taps are written: the more results an image has, the more terms a tap has besides an outlier's.
  private var tapHeadroom: Int {
    let results = rows.extent * columns.extent
    return min(12, max(4, results.bitWidth - results.leadingZeroBitCount - 2))
  }

  /// With no tile marked yet: `Scan` marks them.
  func unmarkedTiles() -> Outliers {
    Outliers(rows: rowCount, columns: columns.tiles)
  }

  /// The marks of one sample's tiles; none where no tile is marked.
  fileprivate func marks<Element: TensorElement>(
    _ windows: [ConvoyMagnitude], _ results: [ConvoyMagnitude]?, _ taps: TapExponents?,
    _ counts: inout ExponentCounts, _ type: Element.Type
  ) -> [Bool] {
    let infinite = Element.infiniteExponent
    // Exponents are biased, each by half of the infinite one.
    let bias = infinite / 2
    let one = results == nil ? bias : 2 * bias
    // Taps that are all 0 make no number.
    let (typical, most) =
      taps.map { $0.largest > 0 ? ($0.median, $0.largest) : (bias, bias) } ?? (bias, bias)
    // What taps far above the others add to a tile's excess.
    let excess = max(0, most - typical - 4)
    let limit = results == nil ? headroom - excess : tapHeadroom
    /// Products that are hardly numbers any more: transforms would round them to nothing.
    func isTiny(_ median: Int) -> Bool { median > 0 && median - one + typical - bias < 40 - bias }
    /// Near the largest numbers: sums of a few hundred products, in transforms that add up to twenty times one.
    func isHuge(_ own: Int, _ factor: Int) -> Bool {
      own >= infinite - 8 || factor >= infinite - 8
        || own + factor - one + most - bias > bias - 24
    }

    // Mostly, what is least is not far below what is largest, and that is all.
    let (own, factor) = (windows.range, results?.range)
    let (low, high) = (Element.exponent(of: own.least), Element.exponent(of: own.most))
    let lowFactor = factor.map { Element.exponent(of: $0.least) } ?? 0
    let highFactor = factor.map { Element.exponent(of: $0.most) } ?? 0
    if high == 0
      || high + highFactor <= low + lowFactor + limit
        && !isTiny(low + lowFactor) && !isHuge(high, highFactor)
    {
      return []
    }

    func exponent(_ index: Int) -> Int { Element.exponent(of: windows[index]) }
    /// Of the other factor of a result's terms.
    func other(_ index: Int) -> Int { results.map { Element.exponent(of: $0[index]) } ?? 0 }
    let width = columns.extent
    counts.clear()
    for index in windows.indices {
      let (own, factor) = (exponent(index), other(index))
      // Where one factor is 0, there is no term.
      if results == nil || factor > 0 && own > 0 { counts.add(own + factor) }
    }
    let median = counts.median
    var marks = Array(repeating: false, count: rows.tiles * columns.tiles)
    for row in 0..<rows.tiles {
      for column in 0..<columns.tiles {
        var (largest, factor, least) = (0, 0, Int.max)
        for i in row * rows.results..<min((row + 1) * rows.results, rows.extent) {
          for j in column * columns.results..<min((column + 1) * columns.results, width) {
            let own = exponent(i * width + j)
            largest = max(largest, own)
            least = min(least, own)
            factor = max(factor, other(i * width + j))
          }
        }
        guard largest > 0 else { continue }
        let typicalOrLeast = results == nil ? max(median, least) : median
        marks[row * columns.tiles + column] =
          isTiny(median) || isHuge(largest, factor) || largest + factor > typicalOrLeast + limit
      }
    }
    return marks
  }

  /// Divided over threads.
  private func largestMagnitude<Element: TensorElement>(
    _ start: UnsafePointer<Element>, count: Int
  ) -> ConvoyMagnitude {
    let largest = Mutex(ConvoyMagnitude(0))
    nonisolated(unsafe) let start = start
    ThreadPool.run(over: count, unit: 1024, nanoseconds: 0.1 * Double(count)) { part in
      let found = Element.largestMagnitude(start + part.lowerBound, count: part.count)
      largest.withLock { $0 = max($0, found) }
    }
    return largest.withLock { $0 }
  }

  /// The median is of a sample of the taps, but for the few whose sample is mostly zeros.
  func tapExponents<Element: TensorElement>(
    _ w: UnsafePointer<Element>
  ) -> TapExponents {
    let count = tapExtents.reduce(1, *)
    let largest = Element.exponent(of: largestMagnitude(w, count: count))
    var counts = ExponentCounts(limit: Element.infiniteExponent)
    // By no multiple of 2 or 3, so that all taps and channels are met.
    var step = max(1, count / 1024)
    while step > 1 && (step.isMultiple(of: 2) || step.isMultiple(of: 3)) { step += 1 }
    counts.add(w, count: count, step: step)
    if counts.total < 64 && step > 1 {
      counts.clear()
      counts.add(w, count: count, step: 1)
    }
    return TapExponents(median: counts.median, largest: largest)
  }
}

extension [ConvoyMagnitude] {
  fileprivate var range: ConvoyMagnitudeRange { convoy_magnitude_range(count, self) }
}
