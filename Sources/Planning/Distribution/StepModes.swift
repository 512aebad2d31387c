import Partitioning

/// The modes of one step as a grid sees them: which may be cut, and what a cut asks of each tensor.
///
/// ```swift
/// let modes = StepModes(plan.steps[0])
/// modes.cuttable            // mode numbers
/// modes.operand(0, on: grid)  // the layout that operand 0 is needed in
/// ```
public struct StepModes: Sendable {
  public struct Entry: Hashable, Sendable {
    public let mode: Int
    /// Of the index that is cut: the result's, for a convolution mode.
    public let extent: Int
    /// Whether the mode is in each operand, and in the result.
    public let isInOperand: [Bool]
    public let isInResult: Bool
    /// The operand whose dimension is read through a window, and the window.
    public let feature: Int?
    public let window: Window?
    /// Taps that each index of the result is summed over; 1 for a plain mode.
    public let taps: Int
  }

  public let step: Step
  /// In order of modes.
  public let entries: [Entry]

  public init(_ step: Step) {
    self.step = step
    let modes = Set(step.operandModes.joined().compactMap { $0 } + step.resultModes)
    entries = modes.sorted().map { Self.entry($0, step) }
  }

  /// Modes that a grid may cut: not those whose diagonal an operand takes, and none that has less
  /// than two indices.
  public var cuttable: [Int] {
    entries.filter { entry in
      entry.extent > 1
        && step.operandModes.allSatisfy { $0.lazy.filter { $0 == entry.mode }.count <= 1 }
    }.map(\.mode)
  }

  private static func entry(_ mode: Int, _ step: Step) -> Entry {
    let isInOperand = step.operandModes.map { $0.contains(mode) }
    func extent(_ operand: Int) -> Int {
      step.operandModes[operand].firstIndex(of: mode).map { step.operandShapes[operand][$0] } ?? 1
    }
    let isInResult = step.resultModes.contains(mode)
    guard let convolution = step.convolutions.first(where: { $0.mode == mode }) else {
      return Entry(
        mode: mode, extent: isInOperand.firstIndex(of: true).map(extent) ?? 1,
        isInOperand: isInOperand, isInResult: isInResult, feature: nil, window: nil, taps: 1)
    }
    // Two filters: result i reads the longer at i − k for every index k of the shorter.
    let feature = convolution.feature ?? (extent(0) >= extent(1) ? 0 : 1)
    let isPair = convolution.feature == nil
    let taps = step.operands.count == 2 ? extent(1 - feature) : 1
    let tap = isPair ? -1 : convolution.tap
    let reach = tap * (taps - 1)
    return Entry(
      mode: mode, extent: convolution.resultExtent, isInOperand: isInOperand,
      isInResult: isInResult, feature: feature,
      window: Window(
        resultExtent: convolution.resultExtent, stride: isPair ? 1 : convolution.stride,
        low: convolution.offset + min(0, reach), high: convolution.offset + max(0, reach),
        circular: convolution.circular),
      taps: taps)
  }

  /// What each rank needs of an operand: the box that its modes select, with the feature's halo.
  /// - Parameter partialAxes: along which the operand is a sum, that this step leaves as it is.
  public func operand(_ position: Int, on grid: StepGrid, partialAxes: [Int] = []) -> Layout {
    let cuts = zip(step.operandModes[position], step.operandShapes[position]).map {
      mode, extent -> Layout.Cut in
      guard let mode, let entry = entries.first(where: { $0.mode == mode }) else {
        return Layout.Cut(extent: extent)
      }
      // A filter is needed whole.
      if let feature = entry.feature, feature != position { return Layout.Cut(extent: extent) }
      let axes = grid.axes(of: mode)
      return Layout.Cut(extent: extent, axes: axes, window: axes.isEmpty ? nil : entry.window)
    }
    return Layout(mesh: grid.mesh, cuts: cuts, partialAxes: partialAxes)
  }

  /// What each rank computes of the result: a term of a sum along the axes that cut a contracted
  /// mode, and along those where an operand is a term.
  public func result(on grid: StepGrid, partialAxes: [Int] = []) -> Layout {
    let contracted = grid.cuts.filter { cut in !step.resultModes.contains(cut.mode) }
      .flatMap(\.axes).filter { $0 < grid.mesh.axes.count }
    return Layout(
      shape: step.resultShape, mesh: grid.mesh,
      axes: step.resultModes.map { grid.axes(of: $0) },
      partialAxes: contracted + partialAxes)
  }

  /// Multiply-adds of one rank at one slice: the product of its parts of all modes, times the taps.
  public func macs(on grid: StepGrid, rank: Int, slice: Int = 0) -> Double {
    entries.reduce(1.0) { product, entry in
      let part = grid.range(of: entry.mode, extent: entry.extent, rank: rank, slice: slice).count
      return product * Double(part) * Double(entry.taps)
    }
  }
}
