import CKernels

/// Between tensors and points.
extension WinogradNest {
  /// A run of tile rows of one sample.
  private struct Part {
    let sample: Int
    /// Of the sample.
    let rows: Range<Int>
    /// Of the group.
    let first: Int
    /// Among the parts of the group.
    let number: Int
  }

  /// Runs of a few tile rows, divided over threads: each has its own place among the copies.
  ///
  /// - Parameter channels: of the tensor that is copied.
  private func eachPart(_ group: Range<Int>, channels: Int, _ body: @Sendable (Part) -> Void) {
    var divided: [Part] = []
    divided.reserveCapacity(group.count)
    var start = group.lowerBound
    while start < group.upperBound {
      let sample = start / rows.tiles
      let end = min(group.upperBound, (sample + 1) * rows.tiles, start + rows.tilesPerPart)
      let first = sample * rows.tiles
      divided.append(
        Part(
          sample: sample, rows: start - first..<end - first, first: start - group.lowerBound,
          number: divided.count))
      start = end
    }
    let parts = divided
    let nanoseconds = 1.5 * Double(points * group.count * columns.tiles * channels / Self.lanes)
    ThreadPool.run(over: parts.count, nanoseconds: nanoseconds) { range in
      for part in range { body(parts[part]) }
    }
  }

  func shape(
    _ side: ConvoyWinogradSide, from: (row: Int, column: Int), to: (row: Int, column: Int),
    count: (Int, Int), fromStep: (Int, Int), toStep: (Int, Int)
  ) -> ConvoyWinograd {
    ConvoyWinograd(
      level: context.level, side: side, row_results: rows.results, column_results: columns.results,
      from_row: from.row, from_column: from.column, to_row: to.row, to_column: to.column,
      count: count, from_step: fromStep, to_step: toStep)
  }

  func loadData<Element: TensorElement>(
    _ group: Range<Int>, _ x: UnsafePointer<Element>, _ workspace: UnsafeMutablePointer<Element>
  ) {
    let channels = padded(inputs)
    let width = columns.dataCount(columns.tiles) * channels
    let strides = [width, channels] + data.packedChannels
    let columnRuns = Runs(
      columns.start, columns.dataCount(columns.tiles), columns.dataExtent, columns.isCircular)
    nonisolated(unsafe) let (x, workspace) = (x, workspace)
    eachPart(group, channels: channels) { part in
      // Parts share the rows between them, of which each has a copy.
      let copied = part.first * rows.results + part.number * (rows.taps - 1)
      let copy = workspace + layout.copies + copied * width
      let runs = Runs(
        rows.start + rows.results * part.rows.lowerBound, rows.dataCount(part.rows.count),
        rows.dataExtent, rows.isCircular)
      load(data, part.sample, x, to: copy, strides, runs, columnRuns)
      let tiles = shape(
        convoy_winograd_data, from: (width, channels),
        to: (columns.points * layout.dataPlane, layout.dataPlane),
        count: (columns.tiles, channels / Self.lanes),
        fromStep: (columns.results * channels, Self.lanes),
        toStep: (layout.dataTile, Self.lanes))
      for row in part.rows.indices {
        let row = row - part.rows.lowerBound
        Element.winograd(
          tiles, copy + row * rows.results * width,
          workspace + layout.data + (part.first + row) * columns.tiles * layout.dataTile)
      }
    }
  }

  /// One tile of the data, without what points are made of it.
  func loadData<Element: TensorElement>(
    _ sample: Int, _ row: Int, _ column: Int, _ x: UnsafePointer<Element>,
    to copy: UnsafeMutablePointer<Element>
  ) {
    let channels = padded(inputs)
    load(
      data, sample, x, to: copy, [columns.points * channels, channels] + data.packedChannels,
      Runs(rows.start + row * rows.results, rows.points, rows.dataExtent, rows.isCircular),
      Runs(
        columns.start + column * columns.results, columns.points, columns.dataExtent,
        columns.isCircular))
  }

  /// One tile of the results.
  func loadResults<Element: TensorElement>(
    _ sample: Int, _ row: Int, _ column: Int, _ y: UnsafePointer<Element>,
    to copy: UnsafeMutablePointer<Element>
  ) {
    let channels = padded(outputs)
    load(
      results, sample, y, to: copy,
      [columns.results * channels, channels] + results.packedChannels,
      Runs(row * rows.results, rows.results, rows.extent, false),
      Runs(column * columns.results, columns.results, columns.extent, false))
  }

  func loadResults<Element: TensorElement>(
    _ group: Range<Int>, _ y: UnsafePointer<Element>, _ workspace: UnsafeMutablePointer<Element>
  ) {
    let channels = padded(outputs)
    let width = columns.results * columns.tiles * channels
    let strides = [width, channels] + results.packedChannels
    let columnRuns = Runs(0, columns.results * columns.tiles, columns.extent, false)
    nonisolated(unsafe) let (y, workspace) = (y, workspace)
    eachPart(group, channels: channels) { part in
      let copy = workspace + layout.copies + part.first * rows.results * width
      let runs = Runs(
        rows.results * part.rows.lowerBound, rows.results * part.rows.count, rows.extent, false)
      load(results, part.sample, y, to: copy, strides, runs, columnRuns)
      let tiles = shape(
        convoy_winograd_results, from: (width, channels),
        to: (columns.points * layout.resultPlane, layout.resultPlane),
        count: (columns.tiles, channels / Self.lanes),
        fromStep: (columns.results * channels, Self.lanes),
        toStep: (Self.lanes, layout.resultBlock))
      for row in part.rows.indices {
        let row = row - part.rows.lowerBound
        Element.winograd(
          tiles, copy + row * rows.results * width,
          workspace + layout.results + (part.first + row) * columns.tiles * Self.lanes)
      }
    }
  }

  /// Copies rows and columns with their channels innermost; what lies outside the tensor becomes 0, or
  /// wraps.
  private func load<Element: TensorElement>(
    _ copy: Copy, _ sample: Int, _ given: UnsafePointer<Element>,
    to packed: UnsafeMutablePointer<Element>, _ strides: [Int], _ rows: Runs, _ columns: Runs
  ) {
    let from = given + copy.samples[sample]
    let (above, below) = rows.outside
    let (left, right) = columns.outside
    packed.fillWithZeros(count: above * strides[0])
    (packed + (rows.count - below) * strides[0]).fillWithZeros(count: below * strides[0])
    if left + right > 0 {
      for row in above..<rows.count - below {
        let line = packed + row * strides[0]
        line.fillWithZeros(count: left * strides[1])
        (line + (columns.count - right) * strides[1]).fillWithZeros(count: right * strides[1])
      }
    }
    var extents = [0, 0] + copy.channels
    rows.each { row in
      columns.each { column in
        extents[0] = row.count
        extents[1] = column.count
        Element.permute(
          extents: extents, to: packed + row.to * strides[0] + column.to * strides[1], strides,
          from: from + row.from * copy.strides[0] + column.from * copy.strides[1], copy.strides)
      }
    }
  }

  /// Indices that lie one after the other in the tensor and in the copy.
  private struct Run {
    let from: Int
    let to: Int
    let count: Int
  }

  /// The runs that a range of indices consists of: one, if it does not wrap. Parts are many and small, so
  /// no list is made of that.
  private struct Runs {
    /// Indices of the copy, and of them those before and after what the tensor has.
    let count: Int
    let outside: (before: Int, after: Int)
    private let first: Run
    private let others: [Run]

    init(_ start: Int, _ count: Int, _ extent: Int, _ circular: Bool) {
      self.count = count
      guard circular else {
        let low = max(0, start)
        let covered = max(0, min(extent, start + count) - low)
        let before = covered > 0 ? low - start : count
        outside = (before, count - before - covered)
        first = Run(from: low, to: before, count: covered)
        others = []
        return
      }
      others = segments(
        count: count, coefficient: 1, offset: start, extent: extent, circular: true
      ).map {
        Run(from: start + $0.start - $0.wraps * extent, to: $0.start, count: $0.length)
      }
      outside = (0, 0)
      first = Run(from: 0, to: 0, count: 0)
    }

    func each(_ body: (Run) -> Void) {
      if first.count > 0 { body(first) }
      for run in others { body(run) }
    }
  }

  /// - Parameter copies: the workspace where the copies of results are.
  func untransformResults<Element: TensorElement>(
    _ rowCount: Int, _ block: Int, _ workspace: UnsafeMutablePointer<Element>,
    copies: UnsafeMutablePointer<Element>
  ) {
    let channels = padded(outputs)
    let width = columns.results * columns.tiles * channels
    let nanoseconds = 1.5 * Double(points * rowCount * columns.tiles)
    nonisolated(unsafe) let (workspace, copies) = (workspace, copies)
    ThreadPool.run(over: rowCount, nanoseconds: nanoseconds) { range in
      let tiles = shape(
        convoy_winograd_to_results,
        from: (columns.points * layout.resultPlane, layout.resultPlane), to: (width, channels),
        count: (range.count, columns.tiles), fromStep: (columns.tiles * Self.lanes, Self.lanes),
        toStep: (rows.results * width, columns.results * channels))
      Element.winograd(
        tiles,
        workspace + layout.results + block % layout.blocks * layout.resultBlock
          + range.lowerBound * columns.tiles * Self.lanes,
        copies + layout.copies + block * Self.lanes
          + range.lowerBound * rows.results * width)
    }
  }

  func storeResults<Element: TensorElement>(
    _ group: Range<Int>, _ y: UnsafeMutablePointer<Element>,
    _ workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) {
    let channels = padded(outputs)
    let width = columns.results * columns.tiles * channels
    let store = adding ? Element.add : Element.permute
    nonisolated(unsafe) let (y, workspace) = (y, workspace)
    let strides = [width, channels] + results.packedChannels
    eachPart(group, channels: channels) { part in
      let first = rows.results * part.rows.lowerBound
      let count = min(rows.results * part.rows.count, rows.extent - first)
      store(
        [count, columns.extent] + results.channels,
        y + results.samples[part.sample] + first * results.strides[0], results.strides,
        UnsafePointer(workspace + layout.copies + part.first * rows.results * width), strides)
    }
  }
}
