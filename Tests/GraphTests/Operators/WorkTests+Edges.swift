import Kernels
import Partitioning
import Testing

@testable import Execution
@testable import Graph

extension WorkTests {
  /// Work on what lists of cases have not: sizes beyond those of blocks, and numbers that are none.
  @Suite struct Edges {
    /// Checks an operator on inputs drawn at random, in both types.
    private func check(_ operation: any Operator, _ shapes: [[Int]], extra: [Extra] = []) throws {
      var draws = SeededDraws(seed: 3)
      let inputs = shapes.map { Value(name: "x", type: .float64, axes: axes($0)) }
      let elements = shapes.map { draws.tensor($0) }
      let all = (inputs + extra.map(\.value), elements + extra.map(\.elements))
      try WorkCheck(Operation(operation), all.0, all.1).run()
      try #require(try WorkCheck(single: Operation(operation), all.0, all.1)).run()
    }

    private struct Extra {
      let value: Value
      let elements: DoubleTensor

      init(_ type: ElementType, _ shape: [Int], _ elements: [Double]) {
        value = Value(name: "extra", type: type, axes: axes(shape))
        self.elements = DoubleTensor(shape, elements)
      }
    }

    private let rate = Extra(.float64, [], [0.05])
    private let step = Extra(.int64, [], [1000])

    @Test(
      "shapes that are no multiples of blocks, or have one index, or none",
      arguments: [
        [3, 1033], [1, 1], [1, 65, 1], [0, 3, 2], [3, 0], [130, 3], [2, 3, 1, 67], [1],
      ])
    func shapes(_ shape: [Int]) throws {
      let last = shape.count - 1
      try check(Operators.Map(.gelu), [shape])
      try check(Operators.MapAdjoint(.silu), [shape, shape])
      try check(Operators.Add(), [shape, shape])
      try check(Operators.Add(), [shape, shape, shape, shape])
      try check(Operators.Multiply(), [shape, shape])
      try check(Operators.Scale(by: 3), [shape])
      for axis in Set([0, last]) {
        try check(Operators.AddAlong(axes: [axis]), [shape, [shape[axis]]])
        try check(Operators.ScaleAlong(axes: [axis]), [shape, [shape[axis]]])
        for keepsAxes in [false, true] {
          let sum = Operators.Sum(over: [axis], keepsAxes: keepsAxes, scale: 1.0 / 7)
          try check(sum, [shape])
          let summed = keepsAxes ? shape.replacing(axis, with: 1) : shape.besides([axis])
          let spread = Operators.Spread(
            axes: [axis], along: [axes(shape)[axis]], areKept: keepsAxes, scale: 0.1)
          try check(spread, [summed])
        }
        try check(Operators.Slice(axis: axis, 0..<(shape[axis] + 1) / 2), [shape])
        try check(Operators.Pad(axis: axis, low: 2, high: 1), [shape])
        try check(Operators.Concatenate(axis: axis), [shape, shape])
      }
      try check(Operators.Sum(over: Array(shape.indices)), [shape])
      try check(Operators.Transpose(shape.indices.reversed()), [shape])
      try check(Operators.Reshape(to: axes([shape.reduce(1, *)])), [shape])
      try check(Operators.MomentumUpdate(momentum: 0.9), [shape, shape, shape], extra: [rate])
    }

    @Test(
      "sums along some of several axes",
      arguments: [[], [1], [0, 2], [1, 3], [0, 1, 3], [0, 3]])
    func sums(_ summed: [Int]) throws {
      try check(Operators.Sum(over: summed), [[2, 3, 2, 70]])
      try check(Operators.Sum(over: summed), [[3, 70, 2, 3]])
    }

    @Test("sums along three axes that are no neighbours", arguments: [[0, 2, 4], [1, 3, 5]])
    func severalSums(_ summed: [Int]) throws {
      try check(Operators.Sum(over: summed), [[2, 3, 2, 3, 2, 5]])
    }

    @Test("the same bits on one thread and two, of work that is divided")
    func divided() throws {
      let shape = [5, 23, 8, 40]
      var draws = SeededDraws(seed: 5)
      let x = draws.tensor(shape)
      let vector = draws.tensor([40])
      func checkBits(_ operation: any Operator, _ elements: [DoubleTensor], _ extra: [Extra] = [])
        throws
      {
        let inputs =
          elements.map { Value(name: "x", type: .float32, axes: axes($0.shape)) }
          + extra.map(\.value)
        let all = elements + extra.map(\.elements)
        let check = try WorkCheck(Operation(operation), inputs, all)
        #expect(try WorkRun(check.whole).work.nanoseconds > 8000, "\(operation) is worth dividing")
        try check.checkBits(check.whole, check.elements)
        for (output, memory) in try WorkRun(check.whole).results(check.elements).enumerated() {
          let result = memory.tensor(check.outputs[output].shape, .float32)
          #expect(result.difference(from: check.expected[output]) < 1e-5, "\(operation)")
        }
      }
      for function in Operators.Map.Function.allCases {
        try checkBits(Operators.Map(function), [x])
        try checkBits(Operators.MapAdjoint(function), [x, x])
      }
      try checkBits(Operators.AddAlong(axes: [3]), [x, vector])
      try checkBits(Operators.ScaleAlong(axes: [1]), [x, draws.tensor([23])])
      for summed in [[0], [3], [0, 1, 2], [1, 2], [0, 2], [1, 3], [0, 1, 2, 3]] {
        try checkBits(Operators.Sum(over: summed), [x])
      }
      try checkBits(Operators.Transpose([3, 1, 0, 2]), [x])
      try checkBits(Operators.Concatenate(axis: 1), [x, x])
      let key = Extra(.int64, [2], [7, 3])
      try checkBits(Operators.Dropout(rate: 0.3, stream: 1), [x], [key])
      try checkBits(Operators.AdamUpdate(), [x, x, x, x.map(abs)], [rate, step])
    }

    @Test("sums of many equal numbers are those of few", arguments: [[0], [1], [0, 1]])
    func longSums(_ summed: [Int]) throws {
      let shape = summed == [1] ? [2, 200_001] : [200_001, 2]
      let x = DoubleTensor(shape, filledWith: 0.1)
      let value = Value(name: "x", type: .float32, axes: axes(shape))
      let output = try Operators.Sum(over: summed).outputs([value])[0]
      let run = try WorkRun(
        NodePart(
          operation: Operation(Operators.Sum(over: summed)),
          inputs: [NodePart.Piece(value: value, box: Box(shape: shape))],
          outputs: [NodePart.Piece(value: output, box: Box(shape: output.shape))]))
      let sums = run.results([x])[0].tensor(output.shape, .float32)
      let expected = Double(Float(0.1)) * Double(x.elements.count / sums.elements.count)
      for sum in sums.elements { #expect(abs(sum / expected - 1) < 4e-7) }
    }

    @Test("zeros with a sign, infinities and NaN", arguments: Operators.Map.Function.allCases)
    func special(_ function: Operators.Map.Function) throws {
      let numbers: [Double] = [
        0, -0.0, .infinity, -.infinity, .nan, 1e-40, -1e-40, 88, -88, 8, -8, 3e38, -3e38, 1e-30,
        0.5, 1, -1,
      ]
      let shape = [numbers.count * numbers.count]
      let x = DoubleTensor(shape, numbers.flatMap { number in numbers.map { _ in number } })
      let g = DoubleTensor(shape, numbers.flatMap { _ in numbers })
      for type in [ElementType.float32, .float64] {
        let value = Value(name: "x", type: type, axes: axes(shape))
        for (operation, inputs) in [
          (Operators.Map(function) as any Operator, [x]), (Operators.MapAdjoint(function), [x, g]),
        ] {
          let check = try WorkCheck(Operation(operation), inputs.map { _ in value }, inputs)
          let result = try WorkRun(check.whole).results(check.elements)[0].tensor(shape, type)
          let expected = check.expected[0].rounded(to: type)
          for (place, pair) in zip(result.elements, expected.elements).enumerated() {
            // No value of these functions is as large as that.
            if inputs.count == 2 && function.adjointReadsOutput && abs(x.elements[place]) == 3e38 {
              continue
            }
            let difference = abs(pair.0 - pair.1)
            let isClose =
              pair.0 == pair.1 || pair.0.isNaN && pair.1.isNaN
              || difference <= 1e-6
                * max(abs(pair.1), abs(inputs.count == 1 ? 1 : g.elements[place]))
            #expect(
              isClose && (pair.1 != 0 || pair.0 != 0 || pair.0.sign == pair.1.sign || pair.1.isNaN),
              "\(operation) of \(inputs.map { $0.elements[place] }): \(pair)")
          }
          try check.checkBits(check.whole, check.elements)
        }
      }
    }

    @Test("functions of float32 are exact to a few units in the last place")
    func accuracy() throws {
      let numbers = (0..<20_001).map { Double(Float($0 - 10_000) / 900) }
      let x = DoubleTensor([numbers.count], numbers)
      let value = Value(name: "x", type: .float32, axes: axes(x.shape))
      for function in Operators.Map.Function.allCases {
        let check = try WorkCheck(Operation(Operators.Map(function)), [value], [x])
        let result = try WorkRun(check.whole).results([x])[0].tensor(x.shape, .float32)
        let worst = zip(zip(result.elements, check.expected[0].elements), numbers).map {
          pair, number in
          // GELU's left tail is as good as its argument, not as itself.
          abs(pair.0 - pair.1) / (function == .gelu ? abs(number) : abs(pair.1))
        }.filter { !$0.isNaN }.max()
        #expect(try #require(worst) < 6e-7, "\(function)")
      }
    }

    @Test(
      "any type is moved, bit by bit",
      arguments: [ElementType.uint8, .int32, .int64, .float32, .float64])
    func moves(_ type: ElementType) throws {
      let shape = [3, 5, 18]
      let value = Value(name: "x", type: type, axes: axes(shape))
      let x = DoubleTensor(shape, (0..<270).map { Double($0 % 251) })
      let operations: [any Operator] = [
        Operators.Transpose([2, 0, 1]), Operators.Transpose([1, 0, 2]),
        Operators.Slice(axis: 1, 1..<4), Operators.Slice(axis: 2, 3..<18),
        Operators.Pad(axis: 2, low: 1, high: 2), Operators.Reshape(to: axes([3, 5, 3, 6])),
      ]
      for operation in operations { try WorkCheck(Operation(operation), [value], [x]).run() }
      try WorkCheck(Operation(Operators.Concatenate(axis: 2)), [value, value], [x, x]).run()
      try WorkCheck(Operation(Operators.Fill(7, type: type, axes: axes(shape))), [], []).run()
    }

    @Test("the least integer and −0 are moved as they are", arguments: [[1, 0], [0, 1]])
    func signs(_ permutation: [Int]) throws {
      let value = Value(name: "x", type: .int32, axes: axes([3, 7]))
      let x = DoubleTensor([3, 7], filledWith: Double(Int32.min))
      try WorkCheck(Operation(Operators.Transpose(permutation)), [value], [x]).run()
      let column = Value(name: "x", type: .int32, axes: axes([7, 1]))
      let columns = [DoubleTensor([7, 1], filledWith: Double(Int32.min)), DoubleTensor([7, 1])]
      try WorkCheck(Operation(Operators.Concatenate(axis: 1)), [column, column], columns).run()
    }

    @Test("boxes that do not fit together are errors")
    func misfits() throws {
      let value = Value(name: "x", type: .float32, axes: axes([4]))
      func piece(_ range: Range<Int>) -> NodePart.Piece { .init(value: value, box: Box([range])) }
      let part = NodePart(
        operation: Operation(Operators.Map(.relu)), inputs: [piece(0..<3)], outputs: [piece(0..<4)])
      let error = ExecutionError.operatorPart(
        operation: "map relu", inputs: [[3]], outputs: [[4]])
      #expect(throws: error) { try Operators.Map(.relu).work(of: part, .process) }
      #expect("\(error)".contains("map relu"))
      #expect(throws: ExecutionError.self) { try Operators.Multiply().work(of: part, .process) }
      #expect(throws: ExecutionError.self) {
        try Operators.Sum(over: [0]).work(of: part, .process)
      }
      #expect(throws: ExecutionError.self) {
        try Operators.AddAlong(axes: [0]).work(of: part, .process)
      }
    }
  }
}
