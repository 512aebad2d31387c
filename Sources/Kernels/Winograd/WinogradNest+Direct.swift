import CKernels

/// Tiles that are computed as they are defined: copied with their channels innermost, as the others are, and multiplied
/// with the packed taps by the batch-reduce kernel.
extension WinogradNest {
  /// Sets what minimal filtering made of the marked tiles of a group to 0, in the copies of the results.
  func clearResults<Element: TensorElement>(
    _ outliers: Outliers, _ group: Range<Int>, _ workspace: UnsafeMutablePointer<Element>
  ) {
    let channels = padded(outputs)
    let width = columns.results * columns.tiles * channels
    for tile in outliers.tiles(group) {
      for row in 0..<rows.results {
        let start =
          workspace + layout.copies + ((tile.row - group.lowerBound) * rows.results + row) * width
          + tile.column * columns.results * channels
        start.fillWithZeros(count: columns.results * channels)
      }
    }
  }

  /// Sets the points of the marked tiles of a group to 0, of data and results alike, so that they add nothing to the
  /// taps.
  func clearPoints<Element: TensorElement>(
    _ outliers: Outliers, _ group: Range<Int>, _ workspace: UnsafeMutablePointer<Element>
  ) {
    for tile in outliers.tiles(group) {
      let number = (tile.row - group.lowerBound) * columns.tiles + tile.column
      for point in 0..<points {
        (workspace + layout.data + point * layout.dataPlane + number * layout.dataTile)
          .fillWithZeros(count: padded(inputs))
        for block in 0..<outputBlocks {
          (workspace + layout.results + block * layout.resultBlock + point * layout.resultPlane
            + number * Self.lanes).fillWithZeros(count: Self.lanes)
        }
      }
    }
  }

  /// Adds the results of the marked tiles to the destination.
  func addResults<Element: TensorElement>(
    of outliers: Outliers, to y: UnsafeMutablePointer<Element>, _ x: UnsafePointer<Element>,
    _ w: UnsafePointer<Element>, _ workspace: UnsafeMutablePointer<Element>
  ) {
    let channels = padded(inputs)
    let strides = [columns.results * padded(outputs), padded(outputs)] + results.packedChannels
    let tile = DirectTile(self, workspace)
    for marked in outliers.tiles(0..<rowCount) {
      let (sample, row) = marked.row.quotientAndRemainder(dividingBy: rows.tiles)
      loadData(sample, row, marked.column, x, to: tile.data)
      for first in stride(from: 0, to: outputBlocks, by: layout.packedBlocks) {
        let blocks = first..<min(first + layout.packedBlocks, outputBlocks)
        for start in stride(from: 0, to: inputs, by: layout.inputsAtOnce) {
          let some = start..<min(start + layout.inputsAtOnce, inputs)
          // Of several groups all taps are packed since the first.
          if hasOneGroup { packTaps(blocks, some, w, workspace) }
          let taps = tapOffsets(dataWidth: columns.points * channels, channels)
          for block in blocks {
            batchReduce(
              columns: columns.results, depth: some.count, a: taps.map(\.tap),
              b: taps.map(\.data),
              from: workspace + layout.packedTaps + (block - first) * Self.lanes,
              (k: packedInputStep, repeat: 0), tile.data + start,
              (k: 1, column: channels, repeat: columns.points * channels),
              to: tile.results + block * Self.lanes,
              (column: padded(outputs), repeat: columns.results * padded(outputs)),
              repeats: rows.results, adding: start > 0)
          }
        }
      }
      let (i, j) = (row * rows.results, marked.column * columns.results)
      Element.add(
        extents: [min(rows.results, rows.extent - i), min(columns.results, columns.extent - j)]
          + results.channels,
        to: y + results.samples[sample] + i * results.strides[0] + j * results.strides[1],
        results.strides, from: UnsafePointer(tile.results), strides)
    }
  }

  /// Adds what the marked tiles contribute to some of the packed taps.
  ///
  /// - Parameter workspace: where the packed taps of these blocks and inputs are.
  func addTaps<Element: TensorElement>(
    of outliers: Outliers, _ blocks: Range<Int>, _ some: Range<Int>, _ x: UnsafePointer<Element>,
    _ y: UnsafePointer<Element>, _ workspace: UnsafeMutablePointer<Element>
  ) {
    let (channels, outputs) = (padded(inputs), padded(self.outputs))
    let tile = DirectTile(self, workspace)
    for marked in outliers.tiles(0..<rowCount) {
      let (sample, row) = marked.row.quotientAndRemainder(dividingBy: rows.tiles)
      loadData(sample, row, marked.column, x, to: tile.data)
      loadResults(sample, row, marked.column, y, to: tile.results)
      // What a tile has beyond the results are no terms: its data there may be no numbers.
      let height = min(rows.results, rows.extent - row * rows.results)
      let width = min(columns.results, columns.extent - marked.column * columns.results)
      for tap in tapOffsets(dataWidth: columns.points * channels, channels) {
        for block in blocks {
          batchReduce(
            columns: some.count, depth: width,
            a: (0..<height).map { $0 * columns.results * outputs },
            b: (0..<height).map { $0 * columns.points * channels },
            from: tile.results + block * Self.lanes, (k: outputs, repeat: 0),
            tile.data + tap.data + some.lowerBound, (k: channels, column: 1, repeat: 0),
            to: workspace + layout.packedTaps + tap.tap + (block - blocks.lowerBound) * Self.lanes,
            (column: packedInputStep, repeat: 0), repeats: 1, adding: true)
        }
      }
    }
  }

  /// Where each tap is among the packed ones, and the data that it multiplies in the copy of a tile.
  private func tapOffsets(dataWidth: Int, _ channels: Int) -> [(tap: Int, data: Int)] {
    (0..<rows.taps).flatMap { row in
      (0..<columns.taps).map { column in
        let (k, l) = (
          rows.isReversed ? rows.taps - 1 - row : row,
          columns.isReversed ? columns.taps - 1 - column : column
        )
        return (
          k * packedTapStrides[0] + l * packedTapStrides[1], row * dataWidth + column * channels
        )
      }
    }
  }

  private func batchReduce<Element: TensorElement>(
    columns: Int, depth: Int, a aOffsets: [Int], b bOffsets: [Int],
    from a: UnsafePointer<Element>, _ aSteps: (k: Int, repeat: Int), _ b: UnsafePointer<Element>,
    _ bSteps: (k: Int, column: Int, repeat: Int), to c: UnsafeMutablePointer<Element>,
    _ cSteps: (column: Int, repeat: Int), repeats: Int, adding: Bool
  ) {
    aOffsets.withUnsafeBufferPointer { aOffsets in
      bOffsets.withUnsafeBufferPointer { bOffsets in
        let shape = ConvoyBatchReduce(
          level: context.level, lanes: Self.lanes, columns: columns, depth: depth,
          count: aOffsets.count, a_offsets: aOffsets.baseAddress, b_offsets: bOffsets.baseAddress,
          a_k: aSteps.k, b_k: bSteps.k, b_j: bSteps.column, c_j: cSteps.column,
          run: SumLength(terms: Double(aOffsets.count * depth)).run, low: 0,
          adding: adding ? 1 : 0, repeats: repeats, a_r: aSteps.repeat, b_r: bSteps.repeat,
          c_r: cSteps.repeat)
        Element.batchReduce(shape, a, b, c)
      }
    }
  }

  /// The place of one tile's data, [row][column][channel], and of its results, [row][column][channel].
  private struct DirectTile<Element: TensorElement> {
    let data: UnsafeMutablePointer<Element>
    let results: UnsafeMutablePointer<Element>

    init(_ nest: WinogradNest, _ workspace: UnsafeMutablePointer<Element>) {
      data = workspace + nest.layout.direct
      results = data + nest.points * nest.padded(nest.inputs)
    }
  }
}
