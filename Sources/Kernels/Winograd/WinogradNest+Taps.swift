import CKernels

/// Taps, packed with their outputs innermost, and their points.
extension WinogradNest {
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
}
