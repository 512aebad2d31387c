import CKernels

/// Of one sample of the data, or of the results, the largest magnitude of all that each result is made of, over all
/// channels: an upper bound of every term of its sum but for the other factor.
///
/// What lies outside the tensor has no part in it.
struct WindowMagnitudes {
  /// [row][column] of the results.
  private(set) var largest: [ConvoyMagnitude]
  /// Of the sample's rows and columns, and of its rows' windows.
  private var pixels: [ConvoyMagnitude]
  private var lines: [ConvoyMagnitude]
  private let rows: Side
  private let columns: Side
  /// Of the pixels of a sample with all channels, and how the magnitudes of all channels lie on one.
  private let extents: [Int]
  private let pixelStrides: [Int]

  /// One side of the window: results, and the data indices that each reads.
  struct Side {
    let count: Int
    let extent: Int
    /// For every tap, runs of results, and how far from each the data lie that it reads.
    let runs: [(results: Range<Int>, shift: Int)]

    /// Of an axis of the data.
    init(data axis: WinogradNest.Axis) {
      (count, extent) = (axis.extent, axis.dataExtent)
      runs = (0..<axis.taps).flatMap { tap in
        segments(
          count: axis.extent, coefficient: 1, offset: axis.start + tap, extent: axis.dataExtent,
          circular: axis.isCircular
        ).map { run in
          (
            run.start..<run.start + run.length,
            axis.start + tap - run.wraps * axis.dataExtent
          )
        }
      }
    }

    /// Of an axis of the results, which each are a window of their own.
    init(results axis: WinogradNest.Axis) {
      (count, extent) = (axis.extent, axis.extent)
      runs = [(0..<axis.extent, 0)]
    }
  }

  init(rows: Side, columns: Side, channels: [Int]) {
    (self.rows, self.columns) = (rows, columns)
    extents = [rows.extent, columns.extent] + channels
    pixelStrides = [columns.extent, 1] + channels.map { _ in 0 }
    pixels = Array(repeating: 0, count: rows.extent * columns.extent)
    lines = Array(repeating: 0, count: rows.count * columns.extent)
    largest = Array(repeating: 0, count: rows.count * columns.count)
  }

  /// Those of another sample.
  ///
  /// - Parameter start: of the sample.
  mutating func read<Element: TensorElement>(
    _ copy: WinogradNest.Copy, _ start: UnsafePointer<Element>
  ) {
    for index in pixels.indices { pixels[index] = 0 }
    for index in lines.indices { lines[index] = 0 }
    for index in largest.indices { largest[index] = 0 }
    let (rows, columns, extents, strides) = (self.rows, self.columns, self.extents, pixelStrides)
    let width = columns.extent
    pixels.withUnsafeMutableBufferPointer { pixels in
      guard let pixels = pixels.baseAddress else { return }
      Element.magnitudes(
        extents: extents, to: pixels, strides, from: start, copy.strides)
    }
    lines.withUnsafeMutableBufferPointer { lines in
      pixels.withUnsafeBufferPointer { pixels in
        for run in rows.runs {
          let from = pixels.baseAddress.map { $0 + (run.results.lowerBound + run.shift) * width }
          let to = lines.baseAddress.map { $0 + run.results.lowerBound * width }
          convoy_raise(run.results.count, width, to, width, from, width)
        }
      }
    }
    largest.withUnsafeMutableBufferPointer { largest in
      lines.withUnsafeBufferPointer { lines in
        for run in columns.runs {
          let first = run.results.lowerBound
          let from = lines.baseAddress.map { $0 + first + run.shift }
          let to = largest.baseAddress.map { $0 + first }
          convoy_raise(rows.count, run.results.count, to, columns.count, from, width)
        }
      }
    }
  }
}

/// How many of some numbers have each exponent.
struct ExponentCounts {
  private var counts: [Int]

  init(limit: Int) { counts = Array(repeating: 0, count: limit + 1) }

  /// - Parameter exponent: 0 is not counted.
  mutating func add(_ exponent: Int) {
    if exponent > 0 { counts[min(exponent, counts.count - 1)] += 1 }
  }

  /// Counts every so manieth of some elements.
  mutating func add<Element: TensorElement>(
    _ start: UnsafePointer<Element>, count: Int, step: Int
  ) {
    counts.withUnsafeMutableBufferPointer {
      guard let counts = $0.baseAddress else { return }
      Element.kernels.countExponents(count, start, step, counts)
    }
  }

  mutating func clear() { for index in counts.indices { counts[index] = 0 } }

  var total: Int { counts.reduce(0, +) }

  /// At least half of the numbers have this exponent or a larger one; 0 of none.
  var median: Int {
    let count = total
    var below = 0
    for (exponent, number) in counts.enumerated() where number > 0 {
      below += number
      if 2 * below >= count { return exponent }
    }
    return 0
  }
}
