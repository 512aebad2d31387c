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
  private func eachPart(_ group: Range<Int>, channels: Int, _ body: (Part) -> Void) {
    var parts: [Part] = []
    parts.reserveCapacity(group.count)
    var start = group.lowerBound
    while start < group.upperBound {
      let sample = start / rows.tiles
      let end = min(group.upperBound, (sample + 1) * rows.tiles, start + rows.tilesPerPart)
      let first = sample * rows.tiles
      parts.append(
        Part(
          sample: sample, rows: start - first..<end - first, first: start - group.lowerBound,
          number: parts.count))
      start = end
    }
    let nanoseconds = 1.5 * Double(points * group.count * columns.tiles * channels / Self.lanes)
    ThreadPool.run(over: parts.count, nanoseconds: nanoseconds) { range in
      for part in range { body(parts[part]) }
    }
  }

  private func shape(
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
    if rows.covered < rows.count || columns.covered < columns.count {
      packed.fillWithZeros(count: rows.count * strides[0])
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
    /// Indices of the copy, and those that the tensor has.
    let count: Int
    let covered: Int
    private let first: Run
    private let others: [Run]

    init(_ start: Int, _ count: Int, _ extent: Int, _ circular: Bool) {
      self.count = count
      guard circular else {
        let low = max(0, start)
        covered = max(0, min(extent, start + count) - low)
        first = Run(from: low, to: low - start, count: covered)
        others = []
        return
      }
      others = segments(
        count: count, coefficient: 1, offset: start, extent: extent, circular: true
      ).map {
        Run(from: start + $0.start - $0.wraps * extent, to: $0.start, count: $0.length)
      }
      covered = others.reduce(0) { $0 + $1.count }
      first = Run(from: 0, to: 0, count: 0)
    }

    func each(_ body: (Run) -> Void) {
      if first.count > 0 { body(first) }
      for run in others { body(run) }
    }
  }

  /// Copies the taps of some blocks and inputs with their outputs innermost.
  func packTaps<Element: TensorElement>(
    _ blocks: Range<Int>, _ inputs: Range<Int>, _ w: UnsafePointer<Element>,
    _ workspace: UnsafeMutablePointer<Element>
  ) {
    eachTapBox(blocks, inputs) { extents, given, packed in
      Movement.move(
        extents: extents, to: workspace + layout.packedTaps + packed, packedTapStrides,
        from: w + given, tapStrides)
    }
  }

  func unpackTaps<Element: TensorElement>(
    _ blocks: Range<Int>, _ inputs: Range<Int>, _ w: UnsafeMutablePointer<Element>,
    _ workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) {
    eachTapBox(blocks, inputs) { extents, given, packed in
      Movement.move(
        adding: adding, extents: extents, to: w + given, tapStrides,
        from: UnsafePointer(workspace + layout.packedTaps + packed), packedTapStrides)
    }
  }

  /// The taps of some blocks and inputs as boxes of the modes that inputs and outputs are made of.
  ///
  /// - Parameter body: is called with a box's extents and where it starts, in the tensor and in the packed taps.
  private func eachTapBox(
    _ blocks: Range<Int>, _ inputs: Range<Int>, _ body: ([Int], Int, Int) -> Void
  ) {
    let lanes = Self.lanes
    let outputs = blocks.lowerBound * lanes..<min(blocks.upperBound * lanes, self.outputs)
    let taps = Array(tapExtents[..<2])
    let inputStrides = tapStrides[2..<2 + data.channels.count]
    let outputStrides = tapStrides[(2 + data.channels.count)...]
    for input in IndexBox.boxes(inputs, of: data.channels[...]) {
      for output in IndexBox.boxes(outputs, of: results.channels[...]) {
        body(
          taps + input.extents + output.extents,
          input.offset(inputStrides) + output.offset(outputStrides),
          (input.first - inputs.lowerBound) * packedInputStep + output.first - outputs.lowerBound)
      }
    }
  }

  func transformTaps<Element: TensorElement>(
    _ block: Int, _ inputs: Range<Int>, _ workspace: UnsafeMutablePointer<Element>
  ) {
    let (steps, first) = tapSteps
    let tiles = shape(
      convoy_winograd_taps, from: steps, to: (columns.points * layout.tapPlane, layout.tapPlane),
      count: (inputs.count, 1), fromStep: (packedInputStep, 0), toStep: (Self.lanes, 0))
    Element.winograd(
      tiles, workspace + layout.packedTaps + packedBlock(block) + first,
      workspace + layout.taps + tapBlock(block))
  }

  func untransformTaps<Element: TensorElement>(
    _ block: Int, _ inputs: Range<Int>, _ workspace: UnsafeMutablePointer<Element>
  ) {
    let (steps, first) = tapSteps
    let tiles = shape(
      convoy_winograd_to_taps, from: (columns.points * layout.tapPlane, layout.tapPlane),
      to: steps, count: (inputs.count, 1), fromStep: (Self.lanes, 0), toStep: (packedInputStep, 0))
    Element.winograd(
      tiles, workspace + layout.taps + tapBlock(block),
      workspace + layout.packedTaps + packedBlock(block) + first)
  }

  /// Where a block is in a row of the packed taps.
  private func packedBlock(_ block: Int) -> Int { block % layout.packedBlocks * Self.lanes }

  /// Steps from tap to tap in the packed taps, and where the first is: at the end if they are reversed.
  private var tapSteps: (steps: (row: Int, column: Int), first: Int) {
    let (row, column) = (packedTapStrides[0], packedTapStrides[1])
    return (
      (rows.isReversed ? -row : row, columns.isReversed ? -column : column),
      (rows.isReversed ? 2 * row : 0) + (columns.isReversed ? 2 * column : 0)
    )
  }

  /// - Parameter copies: the workspace where the copies of results are.
  func untransformResults<Element: TensorElement>(
    _ rowCount: Int, _ block: Int, _ workspace: UnsafeMutablePointer<Element>,
    copies: UnsafeMutablePointer<Element>
  ) {
    let channels = padded(outputs)
    let width = columns.results * columns.tiles * channels
    let nanoseconds = 1.5 * Double(points * rowCount * columns.tiles)
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
