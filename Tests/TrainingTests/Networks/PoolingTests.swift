import Kernels
import TestSupport
import Testing

@testable import Training

/// Pools and ReLU against PyTorch and against differences.
@Suite struct PoolingTests {
  /// torch.nn.functional.max_pool2d and avg_pool2d of a 5×5 image with two channels.
  @Test(arguments: PyTorchPool.all) func agreesWithPyTorch(golden: PyTorchPool) throws {
    let x = pattern([1, 5, 5, 2], 37)
    func check(_ pool: any Layer, _ output: [Double], _ inputGradient: [Double]) throws {
      let (y, pullback) = try pool.forward(x, alone)
      let dx = try #require(try pullback(pattern(y.shape, 53)))
      let wantedOutput = Tensor<Double>(shape: [1, 2, 2, 2], elements: output)
      #expect(mismatch(y, wantedOutput, tolerance: .relative(1e-6)) == nil)
      let wantedGradient = Tensor<Double>(shape: x.shape, elements: inputGradient)
      #expect(mismatch(dx, wantedGradient, tolerance: .relative(1e-6)) == nil)
    }
    try check(
      MaxPool(name: "p", window: golden.window, stride: golden.stride), golden.maximum,
      golden.maximumGradient)
    try check(
      AveragePool(name: "p", window: golden.window, stride: golden.stride), golden.mean,
      golden.meanGradient)
  }

  /// Batches, odd channel counts beyond one vector group, and extents that the windows do not tile.
  @Test(arguments: [(2, 2), (3, 2), (2, 3), (1, 1), (3, 3)])
  func agreesWithPlainLoops(window: Int, stride: Int) throws {
    let x = uniform([2, 7, 6, 37], seed: 1)
    let (height, width) = ((7 - window) / stride + 1, (6 - window) / stride + 1)
    var maxima = Tensor<Double>(shape: [2, height, width, 37])
    var means = maxima
    for b in 0..<2 {
      for i in 0..<height {
        for j in 0..<width {
          for c in 0..<37 {
            let values = (0..<window * window).map {
              Double(x[b, i * stride + $0 / window, j * stride + $0 % window, c])
            }
            maxima[b, i, j, c] = values.max() ?? .nan
            means[b, i, j, c] = values.reduce(0, +) / Double(values.count)
          }
        }
      }
    }
    let maximum = try MaxPool(name: "p", window: window, stride: stride)
    let mean = try AveragePool(name: "p", window: window, stride: stride)
    #expect(mismatch(try maximum.forward(x, evaluation).output, maxima) == nil)
    #expect(
      mismatch(try mean.forward(x, evaluation).output, means, tolerance: .relative(1e-6)) == nil)
    #expect(try gradientError(mean, input: x, step: 0.5, tolerance: 1e-4) == nil)
    // Distinct values 1/8 apart: no direction of length 1e-2 changes which is the largest.
    let distinct = Tensor<Float>(
      shape: x.shape, elements: (0..<x.count).map { Float($0 * 211 % x.count) / 8 })
    #expect(try gradientError(maximum, input: distinct, tolerance: 5e-2) == nil)
  }

  @Test func theFirstOfEqualMaximaTakesTheGradient() throws {
    let (y, pullback) = try MaxPool(name: "p", window: 2).forward(
      Tensor(shape: [1, 2, 2, 1]), alone)
    #expect(y.elements == [0])
    let dx = try pullback(Tensor(shape: [1, 1, 1, 1], elements: [3]))
    #expect(dx?.elements == [3, 0, 0, 0])
  }

  @Test func nanIsTheMaximum() throws {
    let pool = try MaxPool(name: "p", window: 2)
    for position in 0..<4 {
      var x = Tensor<Float>(shape: [1, 2, 2, 1], elements: [1, 2, 3, 4])
      x[0, position / 2, position % 2, 0] = .nan
      let (y, pullback) = try pool.forward(x, alone)
      #expect(y[0, 0, 0, 0].isNaN)
      let dx = try #require(try pullback(Tensor(shape: [1, 1, 1, 1], elements: [1])))
      #expect(dx.elements.firstIndex(of: 1) == position)
    }
  }

  @Test func globalAverage() throws {
    let x = uniform([3, 4, 5, 19], seed: 2)
    let pool = GlobalAveragePool(name: "p")
    let y = try pool.forward(x, alone).output
    var expected = Tensor<Double>(shape: [3, 19])
    for b in 0..<3 {
      for c in 0..<19 {
        for pixel in 0..<20 { expected[b, c] += Double(x[b, pixel / 5, pixel % 5, c]) / 20 }
      }
    }
    #expect(mismatch(y, expected, tolerance: .relative(1e-6)) == nil)
    #expect(try gradientError(pool, input: x, step: 0.5, tolerance: 1e-4) == nil)
  }

  @Test func reluAndItsGradient() throws {
    let (y, pullback) = try ReLU().forward(
      Tensor(shape: [2, 2], elements: [-1, 0, 2, .nan]), alone)
    #expect(y.elements.prefix(3) == [0, 0, 2] && y[1, 1].isNaN)
    let dx = try pullback(Tensor(shape: [2, 2], elements: [5, 6, 7, 8]))
    #expect(dx?.elements == [0, 0, 7, 0])
  }

  @Test func emptyBatchesPass() throws {
    let images = Tensor<Float>(shape: [0, 4, 4, 3])
    for (layer, shape) in [
      (try MaxPool(name: "p", window: 2) as any Layer, [0, 2, 2, 3]),
      (try AveragePool(name: "p", window: 2), [0, 2, 2, 3]),
      (GlobalAveragePool(name: "p"), [0, 3]), (ReLU(), [0, 4, 4, 3]),
    ] {
      let (y, pullback) = try layer.forward(images, alone)
      #expect(y.shape == shape)
      #expect(try pullback(y)?.shape == images.shape)
    }
  }

  @Test func badInput() throws {
    let pool = try MaxPool(name: "pool2", window: 3)
    let error = #expect(throws: NetworkError.self) {
      try pool.forward(Tensor(shape: [1, 2, 5, 1]), alone)
    }
    #expect(
      error?.description == """
        pool2: a window of 3×3 does not fit an image of 2×5; it must be no larger than the image, \
        and at most 16×16
        """)
    #expect(throws: NetworkError.self) { try pool.forward(Tensor(shape: [5, 5]), alone) }
    #expect(throws: NetworkError.self) {
      try MaxPool(name: "p", window: 17).forward(Tensor(shape: [1, 20, 20, 1]), alone)
    }
    #expect(throws: NetworkError.extentNotPositive(layer: "p", what: "the window", extent: 0)) {
      try AveragePool(name: "p", window: 0)
    }
    #expect(throws: NetworkError.extentNotPositive(layer: "p", what: "the stride", extent: -1)) {
      try MaxPool(name: "p", window: 2, stride: -1)
    }
    #expect(throws: NetworkError.self) {
      try GlobalAveragePool(name: "p").forward(Tensor(shape: [2, 0, 3, 4]), alone)
    }
    #expect(throws: NetworkError.evaluationHasNoGradient(layer: "p")) {
      let pool = GlobalAveragePool(name: "p")
      let (y, pullback) = try pool.forward(Tensor(shape: [1, 2, 2, 1]), evaluation)
      _ = try pullback(y)
    }
  }
}

struct PyTorchPool: Sendable {
  var window, stride: Int
  var maximum, maximumGradient, mean, meanGradient: [Double]

  static let all = [
    PyTorchPool(
      window: 3, stride: 2,
      maximum: [
        1.64, 1.8, 1.92, 1.8, 1.64, 1.76, 1.88, 1.76,
      ],
      maximumGradient: [
        0, 0, 0, 0, 0, 1.32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1.36, 0, 0, 0, 0, 0, 0, 0, -2.72, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 2.12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -0.96, 0, 0, 0,
      ],
      mean: [
        0.03999999, 0.1733333, 0.1244444, -0.1911111, 0.01333332, 0.1466667, 0.09777778,
        -0.2177778,
      ],
      meanGradient: [
        -0.1733333, 0.06222222, -0.1733333, 0.06222222, -0.3244444, 0.1466667, -0.1511111,
        0.08444444, -0.1511111, 0.08444444, -0.1733333, 0.06222222, -0.1733333, 0.06222222,
        -0.3244444, 0.1466667, -0.1511111, 0.08444444, -0.1511111, 0.08444444, -0.3022222,
        0.1688889, -0.3022222, 0.1688889, -0.56, 0.3822222, -0.2577778, 0.2133333, -0.2577778,
        0.2133333, -0.1288889, 0.1066667, -0.1288889, 0.1066667, -0.2355556, 0.2355556,
        -0.1066667, 0.1288889, -0.1066667, 0.1288889, -0.1288889, 0.1066667, -0.1288889,
        0.1066667, -0.2355556, 0.2355556, -0.1066667, 0.1288889, -0.1066667, 0.1288889,
      ]),
    PyTorchPool(
      window: 2, stride: 2,
      maximum: [
        1.4, 1.52, 1.92, 1.8, 1.36, 1.24, 1.64, 1.76,
      ],
      maximumGradient: [
        0, 0, -1.56, 0, 0, 0.76, 0, 0, 0, 0, 0, 0, 0, 0.56, 0, 0, -1.36, 0, 0, 0, 0, 0.96, 0, 0,
        -0.96, 0, 0, 0, 0, 0, 0, 0, -1.16, 0, 0, 1.16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      ],
      mean: [
        0.25, -0.29, 0.11, 0.58, -0.45, 0.01999998, 0.42, -0.12,
      ],
      meanGradient: [
        -0.39, 0.14, -0.39, 0.14, -0.34, 0.19, -0.34, 0.19, 0, 0, -0.39, 0.14, -0.39, 0.14, -0.34,
        0.19, -0.34, 0.19, 0, 0, -0.29, 0.24, -0.29, 0.24, -0.24, 0.29, -0.24, 0.29, 0, 0, -0.29,
        0.24, -0.29, 0.24, -0.24, 0.29, -0.24, 0.29, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      ]),
    PyTorchPool(
      window: 2, stride: 3,
      maximum: [
        1.4, 1.52, 1.92, 0.72, 1.36, 1.48, 1.88, 0.68,
      ],
      maximumGradient: [
        0, 0, -1.56, 0, 0, 0, 0, 0.76, 0, 0, 0, 0, 0, 0.56, 0, 0, -1.36, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, -1.16, 0, 0, 0, 0, 1.16, 0, 0, 0, 0, 0, 0.96, 0, 0, -0.96, 0, 0, 0,
      ],
      mean: [
        0.25, -0.29, 0.04000001, -0.5, 0.21, -0.33, -1.490116e-08, -0.54,
      ],
      meanGradient: [
        -0.39, 0.14, -0.39, 0.14, 0, 0, -0.34, 0.19, -0.34, 0.19, -0.39, 0.14, -0.39, 0.14, 0, 0,
        -0.34, 0.19, -0.34, 0.19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -0.29, 0.24, -0.29, 0.24, 0, 0,
        -0.24, 0.29, -0.24, 0.29, -0.29, 0.24, -0.29, 0.24, 0, 0, -0.24, 0.29, -0.24, 0.29,
      ]),
  ]
}
