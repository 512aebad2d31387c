import Graph

private func normalized(
  _ shape: [Int], over own: [Int], parameters: [Int]? = nil, epsilon: Double = 1e-3
) -> OperatorCase {
  let parameterShape = parameters.map { shape.at($0) }
  let inputs = [shape] + (parameterShape.map { [$0, $0] } ?? [])
  let name = "\(shape) normalised over \(own), parameters \(parameters ?? [])"
  return OperatorCase(name, inputs.map { .init($0) }) { (builder, x) throws(GraphError) in
    let affine = parameters.map { (scale: x[1], bias: x[2], axes: $0) }
    return [try builder.normalize(x[0], over: own, epsilon: epsilon, parameters: affine)]
  }
}

let normalizationCases = [
  normalized([3, 2], over: [0]),
  normalized([3, 2, 2], over: [0, 2], parameters: [1]),
  normalized([4, 1], over: [0], parameters: [1]),
  normalized([2, 3, 4], over: [2], parameters: [2]),
  normalized([2, 3, 4], over: [1, 2], parameters: [1, 2]),
  normalized([2, 3, 4], over: [1, 2], parameters: [1]),
  normalized([3, 2, 2], over: [0], parameters: [1]),
  normalized([3, 2, 2], over: [0], parameters: [0, 1]),
  normalized([1, 3], over: [0], parameters: [1], epsilon: 0.1),
  normalized([0, 3], over: [1], parameters: [1]),
  OperatorCase("group norm", [.init([2, 4, 3]), .init([4]), .init([4])]) {
    (builder, x) throws(GraphError) in
    [try builder.groupNorm(x[0], groups: 2, scale: x[1], bias: x[2])]
  },
  OperatorCase("layer norm", [.init([2, 4]), .init([4]), .init([4])]) {
    (builder, x) throws(GraphError) in
    [try builder.layerNorm(x[0], scale: x[1], bias: x[2])]
  },
  OperatorCase(
    Operators.FixedNormalization(along: [1], epsilon: 1e-3),
    [
      .init([2, 3, 2]), .fixed([3], .float64, [0.1, -0.2, 0.3]),
      .fixed([3], .float64, [0.5, 1, 2]), .init([3]), .init([3]),
    ]),
]

let poolCases =
  [
    [PoolWindow(axis: 1, extent: 2)],
    [PoolWindow(axis: 1, extent: 3, stride: 2, padding: 1)],
    [PoolWindow(axis: 1, extent: 3, stride: 1, low: 2, high: 0)],
    [PoolWindow(axis: 1, extent: 2, stride: 3)],
    [
      PoolWindow(axis: 1, extent: 3, stride: 2, padding: 1),
      PoolWindow(axis: 2, extent: 2, stride: 1, low: 0, high: 1),
    ],
    [],
  ].flatMap { windows in
    [
      OperatorCase(Operators.MaxPool(windows), [[2, 7, 4]]),
      OperatorCase(Operators.AveragePool(windows), [[2, 7, 4]]),
      OperatorCase(Operators.AveragePool(windows, countsPadding: false), [[2, 7, 4]]),
    ]
  } + [
    OperatorCase(Operators.MaxPool([PoolWindow(axis: 1, extent: 1)]), [[2, 1]]),
    OperatorCase(Operators.MaxPool([PoolWindow(axis: 1, extent: 2)]), [[0, 5]]),
  ]

private let mask = OperatorCase.Input.fixed(
  [3, 4], .uint8, [1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1])

let softmaxCases = [
  OperatorCase(Operators.Softmax(axis: 1), [[3, 4]]),
  OperatorCase(Operators.Softmax(axis: 0), [[3, 2, 2]]),
  OperatorCase(Operators.Softmax(axis: 1), [[2, 1]]),
  OperatorCase(Operators.Softmax(axis: 1), [[2, 0]]),
  OperatorCase(Operators.Softmax(axis: 2, maskAxes: [1, 2]), [.init([2, 3, 4]), mask]),
  OperatorCase(Operators.Softmax(axis: 0, maskAxes: [0, 1]), [.init([3, 4]), mask]),
  OperatorCase(
    Operators.Softmax(axis: 1, maskAxes: [0]), [.init([2, 3]), .fixed([2], .uint8, [1, 0])]),
  OperatorCase(Operators.LogSoftmax(axis: 1), [[3, 4]]),
  OperatorCase(Operators.LogSoftmax(axis: 0), [[3, 2, 2]]),
]

private let labels = OperatorCase.Input.fixed([3], .int32, [2, 0, 1])

let lossCases = [
  OperatorCase(Operators.CrossEntropy(), [.init([3, 4]), labels]),
  OperatorCase(Operators.CrossEntropy(labelSmoothing: 0.1), [.init([3, 4]), labels]),
  OperatorCase(
    Operators.CrossEntropy(), [.init([2, 2, 3]), .fixed([2, 2], .int32, [0, 1, 2, 2])]),
  OperatorCase(Operators.CrossEntropy(), [.init([0, 4]), .fixed([0], .int32, [])]),
  OperatorCase(Operators.CrossEntropy(), [.init([2]), .fixed([], .int32, [1])]),
  OperatorCase(Operators.SquaredError(), [[3, 2], [3, 2]]),
  OperatorCase(Operators.SquaredError(), [[], []]),
]
