import Graph

private func reshape(_ from: [Int], _ to: [Int]) -> OperatorCase {
  OperatorCase(Operators.Reshape(to: axes(to)), [from])
}

let shapeCases = [
  OperatorCase(Operators.Sum(over: [0]), [[3, 2]]),
  OperatorCase(Operators.Sum(over: [1, 3], scale: 0.5), [[2, 3, 2, 2]]),
  OperatorCase(Operators.Sum(over: [1], keepsAxes: true), [[2, 3, 2]]),
  OperatorCase(Operators.Sum(over: [0, 1]), [[3, 2]]),
  OperatorCase(Operators.Sum(over: []), [[3, 2]]),
  OperatorCase(Operators.Sum(over: [0]), [[0, 2]]),
  OperatorCase("mean", [.init([2, 3, 4])]) { (builder, x) throws(GraphError) in
    [try builder.mean(x[0], over: [1, 2])]
  },
  OperatorCase(Operators.Spread(axes: [1], along: axes([3])), [[2, 2]]),
  OperatorCase(Operators.Spread(axes: [0, 3], along: axes([2, 3]), scale: -2), [[2, 2]]),
  OperatorCase(Operators.Spread(axes: [1], along: axes([3]), areKept: true), [[2, 1, 2]]),
  reshape([4, 6], [24]),
  reshape([24], [4, 6]),
  reshape([3, 12, 2], [3, 3, 4, 2]),
  reshape([3, 3, 4, 2], [3, 12, 2]),
  reshape([4, 6], [2, 12]),
  reshape([6, 4], [8, 3]),
  reshape([3, 4, 1, 1], [3, 4]),
  reshape([3, 4], [1, 3, 1, 4]),
  reshape([1, 6], [6]),
  reshape([1], []),
  reshape([2, 0, 3], [2, 0]),
  reshape([0, 4], [0, 2, 2]),
  OperatorCase("flatten", [.init([2, 3, 2])]) { (builder, x) throws(GraphError) in
    [try builder.flatten(x[0], 1...2)]
  },
  OperatorCase(Operators.Transpose([1, 0]), [[2, 3]]),
  OperatorCase(Operators.Transpose([2, 0, 1]), [[2, 3, 4]]),
  OperatorCase(Operators.Transpose([]), [[]]),
  OperatorCase(Operators.Concatenate(axis: 1), [[2, 3], [2, 1], [2, 0]]),
  OperatorCase(Operators.Concatenate(axis: 0), [[3]]),
  OperatorCase(Operators.Slice(axis: 1, 1..<3), [[2, 4]]),
  OperatorCase(Operators.Slice(axis: 0, 2..<2), [[3, 2]]),
  OperatorCase("split", [.init([6, 2])]) { (builder, x) throws(GraphError) in
    try builder.split(x[0], axis: 0, parts: 3)
  },
  OperatorCase(Operators.Pad(axis: 0, low: 1, high: 2), [[3, 2]]),
  OperatorCase(Operators.Pad(axis: 1, low: 0, high: 0), [[3, 0]]),
]
