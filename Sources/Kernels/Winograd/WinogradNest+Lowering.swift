extension WinogradNest {
  /// Multiply-adds below which a nest runs as it is defined: little would be gained, and sums that are
  /// exact, as of small integers, stay exact.
  private static let leastProducts = 1 << 22

  /// The fastest way to run a nest by minimal filtering, by the estimate; `nil` where it is not of that
  /// form, or small.
  init?(_ nest: ContractionNest, roles: [ContractionNest.Role], context: Context) {
    guard nest.loops.reduce(1.0, { $0 * Double($1) }) >= Double(Self.leastProducts) else {
      return nil
    }
    let fastest = Self.candidates(nest, roles: roles, context: context).min {
      $0.nanoseconds < $1.nanoseconds
    }
    guard let fastest else { return nil }
    self = fastest
  }

  static func candidates(
    _ nest: ContractionNest, roles: [ContractionNest.Role], context: Context
  ) -> [WinogradNest] {
    guard let gather = GatherForm(nest, roles: roles), let form = WinogradForm(gather) else {
      return []
    }
    let correlated = form.axes.count { $0.tap != nil }
    return (correlated == 2 ? [4, 2] : [4]).flatMap { results in
      [16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024].compactMap { tiles in
        WinogradNest(
          form, gather, results: results, tilesPerGroup: tiles, context: context)
      }
    }
  }

  /// - Parameters:
  ///   - results: of a tile along every correlated dimension.
  ///   - tilesPerGroup: about how many; at least a row of them.
  private init?(
    _ form: WinogradForm, _ gather: GatherForm, results resultsPerTile: Int, tilesPerGroup: Int,
    context: Context
  ) {
    self.context = context
    let times = context.times
    let tensors = gather.tensors
    let given = tensors.map { TensorOrder.asGiven.strides($0) }
    let (x, y, w) = (form.data, form.results, form.taps)
    func axis(_ index: Int) -> Axis {
      guard index < form.axes.count else {
        return Axis(
          results: 1, extent: 1, tiles: 1, start: 0, dataExtent: 1, isCircular: false,
          isReversed: false)
      }
      let axis = form.axes[index]
      let results = axis.tap == nil ? 1 : resultsPerTile
      let extent = tensors[y][axis.result].extent
      return Axis(
        results: results, extent: extent, tiles: (extent + results - 1) / results,
        start: axis.offset, dataExtent: tensors[x][axis.data].extent,
        isCircular: tensors[x][axis.data].circular, isReversed: axis.isReversed)
    }
    (rows, columns) = (axis(0), axis(1))
    writesTaps = w == 0
    dataIsFirst = x == 1

    /// The strides of a copy whose last mode is contiguous.
    func packed(_ extents: [Int]) -> [Int] {
      var stride = 1
      return extents.reversed().map { extent in
        defer { stride *= extent }
        return stride
      }.reversed()
    }
    func copy(
      _ tensor: Int, _ axisPlaces: [Int], _ channelPlaces: [Int], _ samplePlaces: [Int]
    ) -> Copy {
      let extents = channelPlaces.map { tensors[tensor][$0].extent }
      var samples = [0]
      for place in samplePlaces {
        samples = samples.flatMap { start in
          (0..<tensors[tensor][place].extent).map { start + $0 * given[tensor][place] }
        }
      }
      let axisStrides = axisPlaces.map { given[tensor][$0] }
      return Copy(
        strides: axisStrides + [Int](repeating: 0, count: 2 - axisStrides.count)
          + channelPlaces.map { given[tensor][$0] }, channels: extents,
        packedChannels: packed(extents), samples: samples)
    }
    let count = form.samples.reduce(1) { $0 * tensors[x][$1.data].extent }
    guard count <= 1 << 14 else { return nil }
    sampleCount = count
    data = copy(x, form.axes.map(\.data), form.inputs.map(\.data), form.samples.map(\.data))
    results = copy(
      y, form.axes.map(\.result), form.outputs.map(\.results), form.samples.map(\.results))
    inputs = data.channels.reduce(1, *)
    outputs = results.channels.reduce(1, *)

    let tapPlaces = (0..<2).map { $0 < form.axes.count ? form.axes[$0].tap : nil }
    tapExtents = [rows.taps, columns.taps] + data.channels + results.channels
    tapStrides =
      tapPlaces.map { $0.map { given[w][$0] } ?? 0 }
      + (form.inputs.map(\.taps) + form.outputs.map(\.taps)).map { given[w][$0] }
    // As they stand in the tensor, taps inside the inputs or around them: inputs and taps that stand
    // together make one long dimension.
    let inputStrides = form.inputs.map { given[w][$0.taps] }
    let tapsInside =
      tapPlaces.compactMap { $0 }.map { given[w][$0] }.min() ?? 0 < inputStrides.min() ?? 0
    let allRows = count * rows.tiles
    groupRows = min(allRows, max(1, tilesPerGroup / columns.tiles))
    layout = Workspace(
      rows: rows, columns: columns, groupRows: groupRows,
      groups: (allRows + groupRows - 1) / groupRows,
      sampleRows: rows.tiles, inputs: (inputs, Self.blocks(inputs)),
      outputBlocks: Self.blocks(outputs), writesTaps: w == 0, times)
    let taps = rows.taps * columns.taps
    let width = layout.packedBlocks * Self.lanes
    let tapStep = tapsInside ? width : layout.inputsAtOnce * width
    let inputStep = tapsInside ? taps * width : width
    packedInputStep = inputStep
    packedTapStrides =
      [columns.taps * tapStep, tapStep] + data.packedChannels.map { $0 * inputStep }
      + results.packedChannels
    nanoseconds = Self.estimate(
      rows: rows, columns: columns, groupRows: groupRows,
      groups: (allRows + groupRows - 1) / groupRows,
      inputs: inputs, outputs: outputs, layout: layout, writesTaps: w == 0,
      tapCopy: Self.tapCopyNanoseconds(
        given: zip(tapExtents, tapStrides), packed: zip(tapExtents, packedTapStrides)),
      dataCopy: Self.copyNanoseconds(data, times),
      resultCopy: Self.copyNanoseconds(results, times), times)
  }
}

extension WinogradNest.Workspace {
  init(
    rows: WinogradNest.Axis, columns: WinogradNest.Axis, groupRows: Int, groups: Int,
    sampleRows: Int, inputs: (count: Int, blocks: Int), outputBlocks: Int, writesTaps: Bool,
    _ times: KernelTimes
  ) {
    let lanes = WinogradNest.lanes
    func put(_ elements: Int) -> Int {
      defer { count += (elements + lanes - 1) / lanes * lanes }
      return count
    }
    let points = rows.points * columns.points
    let tiles = groupRows * columns.tiles
    let channels = inputs.blocks * lanes
    // Of full runs of rows, and of those that end with a sample or the group, no more than these.
    let rowRuns = min(groupRows, groupRows / rows.tilesPerPart + groupRows / sampleRows + 2)
    let dataCopy =
      (rows.results * groupRows + (rows.taps - 1) * rowRuns) * columns.dataCount(columns.tiles)
      * channels
    let resultCopy =
      rows.results * groupRows * columns.results * columns.tiles * outputBlocks * lanes
    copies = put(max(dataCopy, resultCopy))
    dataTile = BlockedNest.withGap(channels)
    dataPlane = tiles * dataTile + lanes
    data = put(points * dataPlane)
    resultPlane = tiles * lanes + lanes
    resultBlock = points * resultPlane
    blocks = min(outputBlocks, WinogradNest.blocksAtOnce)
    inputsAtOnce = inputs.count
    packedBlocks = outputBlocks
    if groups == 1 {
      // What is transformed should not have left for memory when it is multiplied; of few tiles not even for
      // the third-level cache, while the data's points, which are few then, are read more often.
      if tiles <= WinogradNest.fewTiles {
        blocks = min(blocks, times.tapBlocksOfFewTiles)
        inputsAtOnce = min(inputsAtOnce, WinogradNest.fewInputsAtOnce)
      } else if !writesTaps {
        blocks = min(blocks, times.tapBlocks)
      }
      let most = WinogradNest.tapsAtOnce / (points * lanes * (inputsAtOnce + 1))
      blocks = max(1, min(blocks, most))
      packedBlocks = blocks
    }
    tapPlane = inputsAtOnce * lanes + lanes
    tapBlock = points * tapPlane
    let packedCount = rows.taps * columns.taps * inputsAtOnce * packedBlocks * lanes
    let directCount =
      points * channels + rows.results * columns.results * outputBlocks * lanes
    if groups == 1 {
      if writesTaps { results = put(resultBlock * outputBlocks) }
      let shared = count
      if !writesTaps { results = put(resultBlock * blocks) }
      taps = put(tapBlock * blocks)
      packedTaps = put(packedCount)
      direct = put(directCount)
      partStep = count - shared
      if tiles <= WinogradNest.fewTiles || blocks == 1 {
        parts = min(WinogradNest.mostParts, (outputBlocks + blocks - 1) / blocks)
      }
      count += (parts - 1) * partStep
      return
    }
    results = put(resultBlock * (writesTaps ? outputBlocks : blocks))
    if writesTaps {
      taps = put(tapBlock * outputBlocks)
      let length = SumLength(terms: Double(groups * tiles))
      let atOnce = Double(WinogradNest.runs(groups: groups) * tiles)
      if length.keepsLow(termsAtOnce: atOnce) { tapLow = put(tapBlock * outputBlocks) }
    }
    runs = WinogradNest.runs(groups: groups)
    runStep = count
    count = runs * runStep
    if !writesTaps { taps = put(tapBlock * outputBlocks) }
    packedTaps = put(packedCount)
    direct = put(directCount)
  }
}

extension WinogradNest {
  /// Of one of the taps: they are transposed in blocks of up to 8 × 8, of what is contiguous in the tensor and in
  /// the copy, and smaller blocks fill only parts of lines.
  private static func tapCopyNanoseconds(
    given: some Sequence<(Int, Int)>, packed: some Sequence<(Int, Int)>
  ) -> Double {
    func contiguous(_ extents: some Sequence<(Int, Int)>) -> Double {
      Double(min(8, extents.first { $0.1 == 1 && $0.0 > 1 }?.0 ?? 1))
    }
    let share = 64 / (contiguous(given) * contiguous(packed))
    return 0.5 * share * share.squareRoot()
  }

  /// Of an element of data or results: where samples are contiguous each has a line of its own, and where channels
  /// are, few of them make short runs.
  private static func copyNanoseconds(_ copy: Copy, _ times: KernelTimes) -> Double {
    if copy.isScattered { return 3 }
    guard let channels = copy.channels.last, copy.strides.last == 1 else { return 0.2 }
    let padded = blocks(channels) * lanes
    return 0.2 + times.copiedRun / Double(padded)
  }

  /// Nanoseconds. Constants that differ most between processors are `KernelTimes`.
  private static func estimate(
    rows: Axis, columns: Axis, groupRows: Int, groups: Int, inputs: Int, outputs: Int,
    layout: Workspace, writesTaps: Bool, tapCopy: Double, dataCopy: Double, resultCopy: Double,
    _ times: KernelTimes
  ) -> Double {
    let points = Double(rows.points * columns.points)
    let tiles = Double(groupRows * columns.tiles)
    let outputBlocks = Double(blocks(outputs))
    let inputBlocks = Double(blocks(inputs))
    let (across, depth) = writesTaps ? (Double(inputs), tiles) : (tiles, Double(inputs))
    // Every run but the first adds its taps to the first's.
    let added = writesTaps ? 0.1 * Double((layout.runs - 1) * layout.tapBlock) * outputBlocks : 0
    let products =
      Double(groups) * outputBlocks * points
      * BatchReduceEstimate.nanoseconds(
        columns: across, depth: depth, repeats: Double(layout.blocks), times)
    // Transforms: a tile's vectors read and written.
    let perTile = points * times.transform
    let tapVectors = Double(inputs) * outputBlocks
    let transforms =
      Double(groups) * tiles * (inputBlocks + outputBlocks) * perTile + tapVectors * perTile
    let dataCopied =
      Double(groups) * Double(rows.dataCount(groupRows) * columns.dataCount(columns.tiles))
      * inputBlocks * Double(lanes)
    let resultsCopied =
      Double(groups) * tiles * Double(rows.results * columns.results) * outputBlocks * Double(lanes)
    let tapsCopied = Double(rows.taps * columns.taps) * tapVectors * Double(lanes)
    let copies = dataCopy * dataCopied + resultCopy * resultsCopied + tapCopy * tapsCopied
    // The more a group has, the more of it has left the nearer caches when it is read again.
    let data = points * tiles * inputBlocks * Double(lanes)
    let results = points * tiles * outputBlocks * Double(lanes)
    let copied = (dataCopied + resultsCopied) / Double(groups)
    let passes = (outputBlocks / Double(layout.blocks)).rounded(.up)
    let footprint = data + copied / 2 + (writesTaps ? results : results / passes)
    let far = min(times.mostFar, times.far * footprint)
    // Of many passes over the data only the first two count: the products of a block of outputs take longer than
    // fetching the data for the next.
    let reads = 1 + min(2, passes)
    // Taps are fetched while they wait to be multiplied; those that are written, each run's own, are not.
    let taps = groups == 1 ? 0 : Double(layout.tapBlock) * outputBlocks
    func price(_ elements: Double, _ cached: Double, _ distant: Double) -> Double {
      guard elements > 200_000 else { return 0 }
      let (first, all) = (times.distantFrom.lowerBound, times.distantFrom.upperBound)
      return cached + (distant - cached) * max(0, min(1, (elements - first) / (all - first)))
    }
    let tapPrice =
      writesTaps
      // Few threads: no more than half of the runs are under way at a time.
      ? price(taps * max(1, Double(layout.runs) / 2), 0.05, 0.3)
      : price(footprint + taps, times.cachedTap, times.distantTap)
    let again =
      Double(groups)
      * (far * (reads * data + 2 * results + 2 * copied) + taps * tapPrice)
    // Every group starts its loops anew, and hands them to threads.
    return products + transforms + copies + again + added + 500 + 1000 * Double(groups)
  }
}
