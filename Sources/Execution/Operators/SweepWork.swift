import Graph
import Kernels

/// Work that is one call of a closure.
///
/// ```swift
/// SweepWork(nanoseconds: 0.5 * Double(count), inPlace: [0]) { inputs, outputs, _ in
///   negate(count, inputs[0], outputs[0])
/// }
/// ```
struct SweepWork: OperatorWork {
  typealias Sweep =
    @Sendable ([UnsafeRawPointer], [UnsafeMutableRawPointer], UnsafeMutableRawPointer) -> Void

  var workspaceBytes = 0
  var nanoseconds: Double
  var inPlace: [Int?] = []
  let sweep: Sweep

  init(
    workspaceBytes: Int = 0, nanoseconds: Double, inPlace: [Int?] = [], _ sweep: @escaping Sweep
  ) {
    self.workspaceBytes = workspaceBytes
    self.nanoseconds = nanoseconds
    self.inPlace = inPlace
    self.sweep = sweep
  }

  func run(
    _ inputs: [UnsafeRawPointer], _ outputs: [UnsafeMutableRawPointer],
    workspace: UnsafeMutableRawPointer
  ) {
    sweep(inputs, outputs, workspace)
  }
}

extension NodePart {
  /// So many inputs and outputs, and of those numbered here, inputs first, boxes of one shape.
  func checkShapes(inputs: Int, outputs: Int, alike: [Int] = []) throws(ExecutionError) {
    guard self.inputs.count == inputs, self.outputs.count == outputs else { throw misfit }
    let boxes = (self.inputs + self.outputs).map(\.box)
    guard Set(alike.map { boxes[$0].shape }).count <= 1 else { throw misfit }
  }

  /// The input has the extents of `shape` along these axes, after `leading` ones.
  func check(
    input: Int, leading: [Int] = [], like shape: [Int], along axes: [Int]
  ) throws(ExecutionError) {
    guard inputs[input].shape == leading + axes.map({ shape[$0] }) else { throw misfit }
  }

  /// Work for the floating-point type of the first input.
  func floating(
    _ single: @autoclosure () -> any OperatorWork, _ double: @autoclosure () -> any OperatorWork
  ) throws(ExecutionError) -> any OperatorWork {
    switch inputs[0].value.type {
    case .float32: single()
    case .float64: double()
    default: throw misfit
    }
  }
}
