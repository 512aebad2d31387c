import Graph
import Kernels
import Partitioning

extension Operators.Sum: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 1)
    return try work(of: part, try part.element(of: part.outputs[0]))
  }

  private func work<Element: OperatorElement>(
    of part: NodePart, _: Element.Type
  ) throws(ExecutionError) -> any OperatorWork {
    try SumWork<Element>(part, axes, keepsAxes: keepsAxes, scale: scale)
  }
}

/// The sum over some axes, times a constant.
///
/// Sums are made of runs in the element type (see `PartialSums.h`) that are added up in double. They are divided
/// into slabs where results are few, by shapes only; slabs are added up in order.
private struct SumWork<Element: OperatorElement>: OperatorWork {
  let nanoseconds: Double
  private let count: Int
  private let results: Int
  private let scale: Double
  /// Where the constant is the inverse of a number, as a mean's is: that number, for dividing is exact.
  private let divisor: Double

  /// What is kept and what is summed, but for the innermost loop of each, in this order.
  private let kept: StridedLoops
  private let summed: StridedLoops
  private let columns: Int
  private let columnStep: Int
  private let rows: Int
  private let rowStep: Int
  /// Whether elements that are summed lie side by side, not those of different sums.
  private let isAlongRows: Bool
  /// Of the outermost loop that is summed.
  private let slabs: Int

  /// Columns that one call makes the sums of.
  private static var most: Int { 2048 }

  init(
    _ part: NodePart, _ axes: [Int], keepsAxes: Bool, scale: Double
  ) throws(ExecutionError) {
    let input = part.inputs[0].shape
    let shape = input.indices.compactMap { axis in
      axes.contains(axis) ? (keepsAxes ? 1 : nil) : input[axis]
    }
    guard shape == part.outputs[0].shape else { throw part.misfit }
    self.scale = scale
    let inverse = (1 / scale).rounded()
    divisor = inverse.isFinite && 1 / inverse == scale ? inverse : 0
    (count, results) = (part.inputs[0].count, part.outputs[0].count)
    nanoseconds =
      nanosecondsPerByte * Double(part.inputs[0].bytes + part.outputs[0].bytes)

    let strides = denseStrides(of: input)
    func loops(_ axes: [Int]) -> StridedLoops {
      StridedLoops(axes.map { input[$0] }, [axes.map { strides[$0] }])
    }
    var (kept, summed) = (loops(input.others(than: axes)), loops(axes.sorted()))
    isAlongRows = input.indices.last { input[$0] != 1 }.map(axes.contains) ?? false
    let (column, row) = (kept.popLast(), summed.popLast())
    (columns, columnStep) = (column?.extent ?? 1, column?.strides[0] ?? 1)
    (rows, rowStep) = (row?.extent ?? 1, row?.strides[0] ?? 0)
    (self.kept, self.summed) = (kept, summed)

    let tasks = kept.count * ((columns + Self.most - 1) / Self.most)
    let terms = results == 0 ? 0 : count / results
    // Of some thousand elements, and of more rows than are worth a sum of their own.
    let possible = min(count >> 14, terms >> 6, summed.extents.first ?? terms, 16)
    slabs = tasks >= 8 ? 1 : max(1, possible)
  }

  var workspaceBytes: Int { slabs > 1 ? slabs * results * MemoryLayout<Double>.stride : 0 }

  func run(
    _ inputs: [UnsafeRawPointer], _ outputs: [UnsafeMutableRawPointer],
    workspace: UnsafeMutableRawPointer
  ) {
    nonisolated(unsafe) let x = inputs[0].elements(Element.self)
    nonisolated(unsafe) let y = outputs[0].elements(Element.self)
    nonisolated(unsafe) let sums = workspace.elements(Double.self)
    guard results > 0 else { return }
    let (blocks, chunks) = (results / columns, (columns + Self.most - 1) / Self.most)
    let (write, add) = (Element.loops.writeSums, adder)
    ThreadPool.run(over: blocks * chunks * slabs, nanoseconds: nanoseconds) { tasks in
      withUnsafeTemporaryAllocation(of: Double.self, capacity: min(columns, Self.most)) { total in
        guard let total = total.baseAddress else { return }
        for task in tasks {
          let (block, chunk) = (task / slabs / chunks, task / slabs % chunks)
          let first = chunk * Self.most
          let width = min(Self.most, columns - first)
          let result = block * columns + first
          total.update(repeating: 0, count: width)
          add(x + kept.place(of: block) + first * columnStep, width, task % slabs, total)
          if slabs == 1 {
            write(width, total, scale, divisor, y + result)
          } else {
            (sums + task % slabs * results + result).update(from: total, count: width)
          }
        }
      }
    }
    guard slabs > 1 else { return }
    for slab in 1..<slabs {
      for result in 0..<results { sums[result] += sums[slab * results + result] }
    }
    write(results, sums, scale, divisor, y)
  }

  /// Adds to totals the terms that a slab has of so many columns' sums.
  private typealias Adder =
    @Sendable (UnsafePointer<Element>, Int, Int, UnsafeMutablePointer<Double>) -> Void

  private var adder: Adder {
    let addRows = rowAdder
    return { start, width, slab, total in
      func slabOf(_ extent: Int, unit: Int = 1) -> Range<Int> {
        let units = EvenPartition(extent: (extent + unit - 1) / unit, parts: slabs).range(of: slab)
        return min(extent, units.lowerBound * unit)..<min(extent, units.upperBound * unit)
      }
      guard count > 0 else { return }
      guard let extent = summed.extents.first else {
        let range = slabOf(rows, unit: isAlongRows ? 2048 : 32)
        return addRows(start + range.lowerBound * rowStep, width, range.count, total)
      }
      let each = summed.count / extent
      let slab = slabOf(extent)
      for index in slab.lowerBound * each..<slab.upperBound * each {
        addRows(start + summed.place(of: index), width, rows, total)
      }
    }
  }

  /// Adds so many rows.
  private var rowAdder: Adder {
    let (sumRows, sumEach) = (Element.loops.sumRows, Element.loops.sumEach)
    guard !isAlongRows else {
      return { start, width, rows, total in sumEach(width, columnStep, rows, start, total) }
    }
    return { start, width, rows, total in
      // Wide rows a run at a time: all of their columns, before what is in memory behind them.
      let run = width <= 64 ? max(rows, 1) : 32
      for row in stride(from: 0, to: rows, by: run) {
        sumRows(min(run, rows - row), rowStep, width, start + row * rowStep, total)
      }
    }
  }
}
