import Graph

private let key = OperatorCase.Input.fixed([2], .int64, [7, 3])

let elementCases =
  [
    OperatorCase(Operators.Add(), [[2, 3], [2, 3], [2, 3]]),
    OperatorCase(Operators.Add(), [[], []]),
    OperatorCase(Operators.Add(), [[3, 0]]),
    OperatorCase("x + x·x", [.init([3])]) { (builder, x) throws(GraphError) in
      [try builder.add([x[0], builder.multiply(x[0], x[0])])]
    },
    OperatorCase(Operators.Multiply(), [[2, 3], [2, 3]]),
    OperatorCase(Operators.Scale(by: -0.75), [[4, 2]]),
    OperatorCase(Operators.AddAlong(axes: [1]), [[2, 3, 2], [3]]),
    OperatorCase(Operators.AddAlong(axes: [1, 2]), [[2, 3, 4], [3, 4]]),
    OperatorCase(Operators.AddAlong(axes: [0]), [[3], [3]]),
    OperatorCase(Operators.AddAlong(axes: []), [[3], []]),
    OperatorCase(Operators.ScaleAlong(axes: [1]), [[2, 3, 2], [3]]),
    OperatorCase(Operators.ScaleAlong(axes: [0, 2]), [[2, 3, 4], [2, 4]]),
    OperatorCase(Operators.ScaleAlong(axes: [0]), [[0, 3], [0]]),
    OperatorCase("float32 and back", [.init([3])]) { (builder, x) throws(GraphError) in
      let single = try builder.convert(x[0], to: .float32)
      return [try builder.convert(single, to: .float64)]
    },
    OperatorCase("x + 2", [.init([3, 2])]) { (builder, x) throws(GraphError) in
      [try builder.add([x[0], builder.fill(with: 2, like: x[0])])]
    },
    OperatorCase(Operators.Dropout(rate: 0.4, stream: 9), [.init([3, 7]), key]),
    OperatorCase(Operators.Dropout(rate: 0, stream: 0), [.init([5]), key]),
    OperatorCase("GLU", [.init([2, 6])]) { (builder, x) throws(GraphError) in
      [try builder.glu(x[0], axis: 1)]
    },
  ] + Operators.Map.Function.allCases.map { OperatorCase(Operators.Map($0), [[3, 5]]) }

private let scalar = OperatorCase.Input.fixed([], .float64, [0.05])

private func positive(_ shape: [Int]) -> OperatorCase.Input {
  .given(shape, (0..<shape.reduce(1, *)).map { 0.1 + 0.07 * Double($0) })
}

/// Updates, sums of moments and counts have no adjoint.
let updateCases = [
  OperatorCase(
    Operators.CorrectCount(top: 2), [.init([4, 3]), .fixed([4], .int32, [0, 1, 2, 0])]),
  OperatorCase(
    Operators.MomentumUpdate(momentum: 0.9, weightDecay: 0.1),
    [.init([2, 3]), .init([2, 3]), .init([2, 3]), scalar]),
  OperatorCase(
    Operators.MomentumUpdate(momentum: 0.9, weightDecay: 0.1, nesterov: true),
    [.init([4]), .init([4]), .init([4]), scalar]),
  OperatorCase(
    Operators.AdamUpdate(weightDecay: 0.1),
    [.init([2, 3]), .init([2, 3]), .init([2, 3]), positive([2, 3]), scalar, step]),
  OperatorCase(
    Operators.AdamUpdate(weightDecay: 0.1, isDecoupled: true),
    [.init([4]), .init([4]), .init([4]), positive([4]), scalar, step]),
  OperatorCase(
    Operators.RunningMoments(momentum: 0.1, count: 4),
    [.init([3]), positive([3]), .given([2, 3], [1, 2, 3, 5, 6, 7])]),
  OperatorCase(Operators.MomentSums(over: [0, 2]), [[3, 2, 4]]),
  OperatorCase(Operators.MomentSums(over: []), [[3, 2]]),
]

private let step = OperatorCase.Input.fixed([], .int64, [3])
