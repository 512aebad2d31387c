import Partitioning

/// What one step of a distributed plan does and costs, in numbers and for people.
///
/// ```swift
/// for step in PlanExplanation(plan, machine: .standard, elementBytes: 4).steps {
///   print(step.contraction, step.grid, step.bytesIn + step.bytesOut, step.lowerBoundBytes)
/// }
/// ```
public struct StepExplanation: Hashable, Codable, Sendable {
  /// In the notation, e.g. `ij,jk->ik`.
  public let contraction: String
  /// Parts per mode, e.g. `i4 k2`; `×2` for ranks that do the same, `+2` for ranks that each do it
  /// with another term of an operand that is a sum; `-` where nothing is cut.
  public let grid: String
  /// The layouts in which the operands are needed.
  public let operands: [String]
  /// The layout in which the result rests, e.g. `i/4 k/2`; `×2` for copies, `+2` for terms of a sum.
  public let result: String
  /// Multiply-adds of the busiest rank, over all slices; of a step of one operand elements read.
  public let macs: Double
  /// Of each operand, the bytes that the rank that receives most of it receives.
  public let operandBytes: [Double]
  /// Bytes of terms of the result that the rank that receives most receives; of the last step, also
  /// of the way to where the output ends.
  public let bytesOut: Double
  /// Predicted, of work and traffic.
  public let seconds: Double
  /// Of that, traffic.
  public let communicationSeconds: Double
  /// Some rank receives at least this in any even cut of this step that starts and ends with its
  /// tensors once over the ranks (`ContractionVolume.receivedLowerBound`).
  public let lowerBoundBytes: Double
  /// Bytes that a rank's boxes of the operands and the result take at one slice, at most.
  public let tensorBytes: Double
  /// How many times it runs.
  public let slices: Int

  /// Bytes of operands.
  public var bytesIn: Double { operandBytes.reduce(0, +) }

  /// How many times the bound is received; `nil` where the bound is 0.
  public var ratio: Double? {
    lowerBoundBytes > 0 ? (bytesIn + bytesOut) / lowerBoundBytes : nil
  }
}

extension StepExplanation {
  /// - Parameter movements: those of this step.
  init(
    _ index: Int, of plan: DistributedPlan, movements: [ReceivedElements], pool: LayoutPool,
    machine: MachineModel, elementBytes: Int
  ) {
    let (step, distribution) = (plan.plan.steps[index], plan.steps[index])
    let modes = StepModes(step)
    contraction = plan.plan.contractionText(step)
    grid = plan.gridText(distribution)
    operands = zip(distribution.operands, step.operandModes).map {
      plan.layoutText($0, modes: $1)
    }
    result = plan.layoutText(distribution.result, modes: step.resultModes)
    slices = distribution.grid.isSliced ? plan.mesh.sliceCount : 1

    var seconds = 0.0
    var operandBytes = [Double](repeating: 0, count: step.operands.count)
    var bytesOut = 0.0
    for received in movements {
      let bytes = Double(received.most) * Double(elementBytes)
      if case .operand(let position) = received.movement.purpose {
        operandBytes[position] += bytes
      } else {
        bytesOut += bytes
      }
      let volume = pool.volume(
        from: pool.number(received.movement.redistribution.source),
        to: pool.number(received.movement.redistribution.target))
      seconds += machine.communicationSeconds(
        messages: volume.messages, bytes: bytes, crossesNodes: volume.crossesNodes)
    }
    self.operandBytes = operandBytes
    self.bytesOut = bytesOut

    var macs = 0.0
    var elements = 0.0
    var largest = 0.0
    for slice in 0..<slices {
      macs += modes.entries.reduce(1) { product, entry in
        let cut = Layout.Cut(extent: entry.extent, axes: distribution.grid.axes(of: entry.mode))
        let part = Layout(mesh: plan.mesh, cuts: [cut]).largestBox(slice: slice)
        return product * part * Double(entry.taps)
      }
      let boxes = (distribution.operands + [distribution.computed]).reduce(0) {
        $0 + $1.largestBox(slice: slice)
      }
      elements += boxes
      largest = max(largest, boxes)
    }
    tensorBytes = largest * Double(elementBytes)
    self.macs = macs
    communicationSeconds = seconds
    self.seconds =
      seconds + machine.computeSeconds(macs: macs, bytes: elements * Double(elementBytes))
    lowerBoundBytes = modes.receivedLowerBound(ranks: plan.mesh.ranks) * Double(elementBytes)
  }
}

extension Layout {
  /// Elements of the largest box of any rank at a slice. Dimensions are cut by different axes, so
  /// some rank has the largest part of all of them.
  fileprivate func largestBox(slice: Int) -> Double {
    cuts.indices.reduce(1.0) { product, dimension in
      let parts = cuts[dimension].axes.reduce([0]) { parts, axis in
        let extent = mesh.extent(axis)
        let isSlice = mesh.sliceAxes.contains(axis)
        let fixed = isSlice ? mesh.coordinate(axis: axis, rank: 0, slice: slice) : 0
        let coordinates = isSlice ? fixed..<fixed + 1 : 0..<extent
        return parts.flatMap { part in coordinates.map { part * extent + $0 } }
      }
      return product * Double(parts.reduce(0) { max($0, range(dimension, part: $1).count) })
    }
  }
}
