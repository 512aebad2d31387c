import Kernels
import Partitioning
import Testing

@testable import Execution
@testable import Graph

/// That the work of operators gives what they mean, whole and part by part.
@Suite(.serialized) struct WorkTests {
  @Test("the work of every node", arguments: SharedTests.cases + updateCases)
  func work(_ operatorCase: OperatorCase) throws {
    let built = try BuiltCase(operatorCase)
    let differentiated = try? built.graph.differentiated(
      [built.loss], withRespectTo: built.variables
    ).graph
    let graph = differentiated ?? built.graph
    let values = try Interpreter(graph: graph).values(built.sources)
    for node in graph.nodes where node.operation.base is any RunnableOperator {
      let inputs = node.inputs.map { graph[$0] }
      let elements = node.inputs.map { values[$0.index] }
      try WorkCheck(node.operation, inputs, elements).run()
      try WorkCheck(single: node.operation, inputs, elements)?.run()
    }
  }
}

/// An operator on some inputs, whose work is compared with the interpreter's.
struct WorkCheck {
  let operation: Operation
  let inputs: [Value]
  let outputs: [Value]
  let elements: [DoubleTensor]
  let expected: [DoubleTensor]
  /// Relative to the largest element, or to 1 where that is more.
  let tolerance: Double

  /// - Parameter tolerance: Of float32, and of all that is made from it, 1e-5, else 1e-12.
  init(
    _ operation: Operation, _ inputs: [Value], _ elements: [DoubleTensor],
    tolerance: Double? = nil
  ) throws {
    self.operation = operation
    self.inputs = inputs
    outputs = try operation.base.outputs(inputs)
    self.elements = zip(elements, inputs).map { $0.rounded(to: $1.type) }
    expected = try Interpreter.evaluate(operation.base, self.elements)
    let isSingle = (inputs + outputs).contains { $0.type == .float32 }
    self.tolerance = tolerance ?? (isSingle ? 1e-5 : 1e-12)
  }

  /// With as many of the float64 inputs in float32 as the operator takes; `nil`, if it takes none.
  init?(
    single operation: Operation, _ inputs: [Value], _ elements: [DoubleTensor],
    tolerance: Double? = nil
  ) throws {
    let masks = (1..<(1 << inputs.count)).sorted { $0.nonzeroBitCount > $1.nonzeroBitCount }
    let choices = masks.lazy.map { mask in
      inputs.enumerated().map { number, value in
        mask >> number & 1 == 1 && value.type == .float64
          ? Value(name: value.name, type: .float32, axes: value.axes) : value
      }
    }
    let choice = choices.first { choice in
      choice != inputs && (try? operation.base.outputs(choice)) != nil
    }
    guard let choice else { return nil }
    try self.init(operation, choice, elements, tolerance: tolerance)
  }

  /// Whole, in two and three parts along every factor that may be cut, with one and two threads, and
  /// in place.
  func run() throws {
    try checkTogether([whole], [elements], "whole")
    try checkBits(whole, elements)
    for factor in operation.factors(inputs: inputs, outputs: outputs) where factor.mayBeCut {
      for count in 2...3 {
        let partition = EvenPartition(extent: factor.extent, parts: count)
        let ranges = (0..<count).map(partition.range)
        let parts = ranges.map { part(factor, $0) }
        let pieces = parts.map(pieces)
        try checkTogether(parts, pieces, "\(count) parts of \(factor)")
        for (part, pieces) in zip(parts, pieces) { try checkBits(part, pieces) }
      }
    }
  }

  var whole: NodePart {
    NodePart(
      operation: operation,
      inputs: inputs.map { NodePart.Piece(value: $0, box: Box(shape: $0.shape)) },
      outputs: outputs.map { NodePart.Piece(value: $0, box: Box(shape: $0.shape)) })
  }

  /// What belongs to the indices of a factor.
  func part(_ factor: Factor, _ range: Range<Int>) -> NodePart {
    func piece(_ value: Value, _ dimension: Factor.Dimension?) -> NodePart.Piece {
      guard let dimension else { return NodePart.Piece(value: value, box: Box(shape: value.shape)) }
      var ranges = Box(shape: value.shape).ranges
      let extent = value.shape[dimension.index]
      ranges[dimension.index] = dimension.window?.reads(range, extent: extent) ?? range
      return NodePart.Piece(value: value, box: Box(ranges))
    }
    return NodePart(
      operation: operation, inputs: zip(inputs, factor.inputs).map(piece),
      outputs: zip(outputs, factor.outputs).map(piece))
  }

  func pieces(of part: NodePart) -> [DoubleTensor] {
    zip(part.inputs, elements).map { $1.piece($0.box) }
  }

  /// What parts give, put together as factors say, is the whole.
  private func checkTogether(
    _ parts: [NodePart], _ pieces: [[DoubleTensor]], _ name: String
  ) throws {
    var sums = outputs.map { DoubleTensor($0.shape) }
    for (part, pieces) in zip(parts, pieces) {
      let results = try WorkRun(part).results(pieces)
      for (number, memory) in results.enumerated() {
        let piece = part.outputs[number]
        let result = memory.tensor(piece.shape, piece.value.type)
        for (offset, element) in zip(piece.box.offsets(in: piece.value.shape), result.elements) {
          sums[number].elements[offset] += element
        }
      }
    }
    for (number, sum) in sums.enumerated() {
      let difference = sum.difference(from: expected[number])
      #expect(
        difference < tolerance,
        "\(operation) of \(inputs.map(\.type)) \(inputs.map(\.shape)), output \(number), \(name)")
    }
  }

  /// One and two threads, and memory of inputs and of its own, give the same bits.
  func checkBits(_ part: NodePart, _ pieces: [DoubleTensor]) throws {
    let run = try WorkRun(part)
    let bits = run.results(pieces).map(\.bytes)
    ThreadPool.use(count: 2)
    let divided = run.results(pieces).map(\.bytes)
    ThreadPool.use(count: 1)
    #expect(divided == bits, "\(operation) on two threads")
    if run.work.inPlace.contains(where: { $0 != nil }) {
      #expect(
        run.results(pieces, inPlace: true).map(\.bytes) == bits,
        "\(operation) in place, \(part.inputs.map(\.box))")
    }
  }
}

/// The work of a part, on memory of its own.
struct WorkRun {
  let part: NodePart
  let work: any OperatorWork

  init(_ part: NodePart) throws {
    self.part = part
    let operation = try #require(part.operation.base as? any RunnableOperator)
    work = try operation.work(of: part, .process)
    #expect(work.nanoseconds >= 0 && work.workspaceBytes >= 0)
    #expect(work.inPlace.isEmpty || work.inPlace.count == part.outputs.count)
  }

  /// What is written; all that is not to be written is still there.
  func results(_ elements: [DoubleTensor], inPlace: Bool = false) -> [TestMemory] {
    let inputs = zip(part.inputs, elements).map { TestMemory($1, $0.value.type) }
    let before = inputs.map(\.bytes)
    var overwritten: Set<Int> = []
    let outputs = part.outputs.enumerated().map { number, piece in
      if inPlace, let input = work.inPlace[number] {
        #expect(
          part.inputs[input].bytes == piece.bytes
            && part.inputs[input].value.type == piece.value.type)
        overwritten.insert(input)
        return inputs[input]
      }
      return TestMemory(count: piece.bytes)
    }
    let workspace = TestMemory(count: work.workspaceBytes)
    work.run(
      inputs.map { UnsafeRawPointer($0.start) }, outputs.map(\.start), workspace: workspace.start)
    let isIntact = (inputs + outputs + [workspace]).allSatisfy(\.isIntact)
    #expect(isIntact, "\(part.operation) overruns")
    for (number, input) in inputs.enumerated() where !overwritten.contains(number) {
      #expect(input.bytes == before[number], "\(part.operation) changes input \(number)")
    }
    return outputs
  }
}

/// Aligned bytes, all of them 255 at first, with more behind them that show whether anything was
/// written there.
final class TestMemory {
  let start: UnsafeMutableRawPointer
  private let count: Int
  private static let margin = 64

  init(count: Int) {
    self.count = count
    start = .allocate(byteCount: count + Self.margin, alignment: 64)
    start.initializeMemory(as: UInt8.self, repeating: 255, count: count + Self.margin)
  }

  convenience init(_ tensor: DoubleTensor, _ type: ElementType) {
    self.init(count: tensor.elements.count * type.bytes)
    for (offset, element) in tensor.elements.enumerated() {
      let place = start + offset * type.bytes
      switch type {
      case .float32: place.storeBytes(of: Float(element), as: Float.self)
      case .float64: place.storeBytes(of: element, as: Double.self)
      case .uint8: place.storeBytes(of: UInt8(element), as: UInt8.self)
      case .int32: place.storeBytes(of: Int32(element), as: Int32.self)
      case .int64: place.storeBytes(of: Int64(element), as: Int64.self)
      }
    }
  }

  deinit { start.deallocate() }

  var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: start, count: count)) }

  var isIntact: Bool {
    UnsafeRawBufferPointer(start: start + count, count: Self.margin).allSatisfy { $0 == 255 }
  }

  func tensor(_ shape: [Int], _ type: ElementType) -> DoubleTensor {
    DoubleTensor(
      shape,
      (0..<shape.reduce(1, *)).map { offset in
        let place = start + offset * type.bytes
        return switch type {
        case .float32: Double(place.load(as: Float.self))
        case .float64: place.load(as: Double.self)
        case .uint8: Double(place.load(as: UInt8.self))
        case .int32: Double(place.load(as: Int32.self))
        case .int64: Double(place.load(as: Int64.self))
        }
      })
  }
}

extension DoubleTensor {
  func piece(_ box: Box) -> DoubleTensor {
    DoubleTensor(box.shape, box.offsets(in: shape).map { elements[$0] })
  }

  func rounded(to type: ElementType) -> DoubleTensor {
    type == .float32 ? map { Double(Float($0)) } : self
  }
}

extension Box {
  /// Where the box's elements are among those of the whole tensor.
  func offsets(in shape: [Int]) -> [Int] {
    zip(ranges, shape).reduce([0]) { offsets, dimension in
      offsets.flatMap { offset in dimension.0.map { offset * dimension.1 + $0 } }
    }
  }
}
