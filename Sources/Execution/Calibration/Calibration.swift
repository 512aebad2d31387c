import Kernels
import Planning

/// How fast this process computes, measured with the kernels that plans run on: the numbers of a
/// `MachineModel` that need no other rank.
///
/// ```swift
/// let rate = try Calibration.flopsPerSecond(extent: 768, repetitions: 5)        // about 8e10
/// let bandwidth = try Calibration.memoryBytesPerSecond(elements: 1 << 24, repetitions: 5)
/// ```
///
/// Both take the best of several runs, for whatever else the machine does only ever makes a run
/// slower.
public enum Calibration {
  /// Of the matrix product `ij,jk->ik` in `Float`, all extents equal: 2·extent³ operations a run.
  ///
  /// - Throws: `ExecutionError.notEnoughMemory`.
  public static func flopsPerSecond(extent: Int, repetitions: Int) throws -> Double {
    let shape = [extent, extent]
    let seconds = try bestSeconds(of: "ij,jk->ik", shapes: [shape, shape], repetitions)
    let side = Double(extent)
    return 2 * side * side * side / seconds
  }

  /// Of the element-wise product `i,i->i` in `Float`: 12 bytes an element, as a plan counts them,
  /// from two operands and to a result. `elements` must be many times what the caches hold.
  ///
  /// - Throws: `ExecutionError.notEnoughMemory`.
  public static func memoryBytesPerSecond(elements: Int, repetitions: Int) throws -> Double {
    let seconds = try bestSeconds(of: "i,i->i", shapes: [[elements], [elements]], repetitions)
    return Double(3 * MemoryLayout<Float>.size * elements) / seconds
  }

  /// The most operations per second in `Float` that one thread reaches on this machine: the larger of
  /// the batch-reduce kernel's rate in cache and that of a large matrix product. What a roofline is
  /// made of, where `flopsPerSecond` is what a plan may expect.
  ///
  /// - Throws: `ExecutionError.notEnoughMemory`.
  public static func peakFlopsPerSecond() throws -> Double {
    max(
      PeakRates.flopsPerSecond(of: Float.self, seconds: 0.2),
      try flopsPerSecond(extent: 768, repetitions: 5))
  }

  /// The most bytes per second that one thread reads and writes in memory: the larger of an addition
  /// of products in place, all of whose bytes pass, and of what `memoryBytesPerSecond` measures, whose
  /// result costs two passes.
  ///
  /// - Throws: `ExecutionError.notEnoughMemory`.
  public static func peakMemoryBytesPerSecond() throws -> Double {
    max(
      PeakRates.memoryBytesPerSecond(of: Float.self, elements: 1 << 24, seconds: 0.2),
      try memoryBytesPerSecond(elements: 1 << 24, repetitions: 3))
  }

  private static func bestSeconds(
    of expression: String, shapes: [[Int]], _ repetitions: Int
  ) throws -> Double {
    let contraction = try Contraction<Float>(Plan(BoundExpression(expression, shapes: shapes)))
    try contraction.requireMemory()
    let operands = shapes.map { shape in
      var operand = Tensor<Float>(uninitialized: shape)
      // Not zeros, which some machines multiply faster; the sums stay far from overflow.
      operand.withMutableElements { $0.initialize(repeating: 1.25) }
      return operand
    }
    // Once without the clock: pages are met for the first time, and kernels are chosen.
    _ = try contraction(operands)
    var best = Double.infinity
    for _ in 0..<max(1, repetitions) {
      let start = ContinuousClock.now
      _ = try contraction(operands)
      best = min(best, (ContinuousClock.now - start) / .seconds(1))
    }
    return max(best, 1e-9)
  }
}
