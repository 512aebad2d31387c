import Kernels
import TestSupport
import Testing

@testable import Training

/// Updates against PyTorch, and the state that checkpoints keep.
@Suite struct OptimizersTests {
  /// As `pattern` of the networks' tests: exact in Python too.
  static func values(_ count: Int, _ multiplier: Int) -> Tensor<Float> {
    Tensor(
      shape: [count],
      elements: (0..<count).map { Float(($0 * multiplier + 11) % 101 - 50) / 25 })
  }

  /// One parameter that decays and one that does not.
  static func parameters() -> [Parameter] {
    [
      Parameter(name: "weight", value: values(5, 37), decays: true),
      Parameter(name: "bias", value: values(3, 17), decays: false),
    ]
  }

  static func step(
    _ optimizer: inout any GradientOptimizer, _ parameters: [Parameter], _ number: Int,
    rate: Float
  ) {
    parameters[0].gradient = values(5, 53 + number)
    parameters[1].gradient = values(3, 29 + number)
    optimizer.update(parameters, learningRate: rate)
  }

  struct Golden: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var rate: Float
    var make: @Sendable ([Parameter]) -> any GradientOptimizer
    var weight, bias: [Double]
  }

  /// Three steps of torch.optim.SGD and torch.optim.Adam with the weight in a parameter group that
  /// decays.
  static let goldens = [
    Golden(
      testDescription: "SGD", rate: 0.1, make: { StochasticGradientDescent(parameters: $0) },
      weight: [-1.092, -0.26, 1.784, -1.424, 0.62], bias: [-1.092, -0.772, -0.452]),
    Golden(
      testDescription: "SGD, momentum and decay", rate: 0.1,
      make: { StochasticGradientDescent(parameters: $0, momentum: 0.9, weightDecay: 0.01) },
      weight: [-0.6768445, -0.4090388, 2.123268, -1.626281, 0.9060256],
      bias: [-0.68484, -0.6711999, -0.65756]),
    Golden(
      testDescription: "SGD, Nesterov", rate: 0.1,
      make: {
        StochasticGradientDescent(
          parameters: $0, momentum: 0.9, weightDecay: 0.01, nesterov: true)
      },
      weight: [-0.2939898, -0.5553483, 2.429473, -1.839423, 1.145398],
      bias: [-0.3043561, -0.58408, -0.863804]),
    Golden(
      testDescription: "Adam", rate: 0.01, make: { Adam(parameters: $0) },
      weight: [-1.53, -0.1100435, 1.429923, -1.190044, 0.3497397],
      bias: [-1.53, -0.8501589, -0.2300494]),
    Golden(
      testDescription: "Adam, decay and other moments", rate: 0.01,
      make: { Adam(parameters: $0, beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.1) },
      weight: [-1.530018, -0.110031, 1.429842, -1.190089, 0.3495965],
      bias: [-1.530019, -0.8503042, -0.2300701]),
  ]

  @Test(arguments: goldens) func agreesWithPyTorch(golden: Golden) {
    let parameters = Self.parameters()
    var optimizer = golden.make(parameters)
    for number in 0..<3 { Self.step(&optimizer, parameters, number, rate: golden.rate) }
    for (parameter, expected) in zip(parameters, [golden.weight, golden.bias]) {
      let expected = Tensor<Double>(shape: [expected.count], elements: expected)
      #expect(mismatch(parameter.value, expected, tolerance: .relative(1e-6)) == nil)
    }
  }

  /// A run that goes on from a saved state makes the same bits as one that never stopped.
  @Test(arguments: goldens) func aRestoredStateGoesOnBitForBit(golden: Golden) throws {
    let parameters = Self.parameters()
    var optimizer = golden.make(parameters)
    for number in 0..<2 { Self.step(&optimizer, parameters, number, rate: golden.rate) }
    let saved = Dictionary(uniqueKeysWithValues: optimizer.state.map { ($0.name, $0.value) })
    let resumed = parameters.map {
      Parameter(name: $0.name, value: $0.value, decays: $0.decays)
    }
    var second = golden.make(resumed)
    // Whatever it did before is forgotten.
    Self.step(&second, Self.parameters(), 9, rate: 1)
    try second.restore(saved, parameters: resumed)
    for number in 2..<5 {
      Self.step(&optimizer, parameters, number, rate: golden.rate)
      Self.step(&second, resumed, number, rate: golden.rate)
    }
    #expect(parameters.map(\.value.elements) == resumed.map(\.value.elements))
    #expect(optimizer.state.map(\.name) == second.state.map(\.name))
    #expect(optimizer.state.map(\.value.elements) == second.state.map(\.value.elements))
  }

  /// A state can be saved and restored before the first step too.
  @Test(arguments: goldens) func theFirstStateIsComplete(golden: Golden) throws {
    let parameters = Self.parameters()
    var optimizer = golden.make(parameters)
    let saved = Dictionary(uniqueKeysWithValues: optimizer.state.map { ($0.name, $0.value) })
    #expect(Set(saved.keys).count == optimizer.state.count)
    try optimizer.restore(saved, parameters: parameters)
  }

  @Test func stateNames() {
    let sgd = StochasticGradientDescent(parameters: Self.parameters())
    #expect(sgd.state.map(\.name) == ["momentum/weight", "momentum/bias"])
    let adam = Adam(parameters: Self.parameters())
    #expect(
      adam.state.map(\.name) == [
        "adam.steps", "adam.mean/weight", "adam.mean/bias", "adam.variance/weight",
        "adam.variance/bias",
      ])
  }

  @Test func statesThatDoNotFit() throws {
    let parameters = Self.parameters()
    var adam = Adam(parameters: parameters)
    let whole = Dictionary(uniqueKeysWithValues: adam.state.map { ($0.name, $0.value) })
    func error(_ change: (inout [String: Tensor<Float>]) -> Void) -> String? {
      var state = whole
      change(&state)
      return #expect(throws: OptimizerError.self) {
        try adam.restore(state, parameters: parameters)
      }?.description
    }
    #expect(
      error { $0["adam.variance/bias"] = nil } == """
        the checkpoint has no optimizer state "adam.variance/bias"; resume with the network and the \
        optimizer that wrote it
        """)
    #expect(
      error { $0["adam.mean/weight"] = Tensor(shape: [4]) } == """
        the optimizer state "adam.mean/weight" has shape [4], but the network needs [5]; resume \
        with the network that wrote it
        """)
    for value: Float in [-1, 0.5, .nan, 3e8] {
      #expect(
        error { $0["adam.steps"] = Tensor(value) } == """
          the optimizer state "adam.steps" is \(value), but must be a whole number of at least 0
          """)
    }
    #expect(error { $0["adam.steps"] = Tensor(shape: [2]) } != nil)
    // Nothing has changed.
    let fresh = Adam(parameters: parameters)
    #expect(adam.state.map(\.value.elements) == fresh.state.map(\.value.elements))
  }
}
