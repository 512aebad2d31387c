import Kernels

/// Steps on tensors of one's own.
extension NetworkSteps {
  /// One training step on this rank's part of a batch, on all ranks together; steps are numbered from 1.
  ///
  /// ```swift
  /// let sums = try network.train(images, labels: labels, learningRate: 0.05)
  /// print(sums.loss / Double(labels.count))
  /// ```
  ///
  /// - Parameters:
  ///   - images: Samples, rows, …, channels: this rank's part, `part(of: samples)`.
  ///   - labels: A class for each of them, from 0.
  ///   - samples: Of all ranks together; of one process alone those of `images`.
  /// - Throws: `NetworkError.unexpectedImages`, `.unexpectedLabels`, `.labelOutOfRange`.
  public func train(
    _ images: Tensor<Float>, labels: [Int], of samples: Int? = nil, learningRate: Double
  ) throws -> Sums {
    let samples = try check(images, labels, samples)
    stepCount += 1
    return try train(samples, learningRate: learningRate, step: stepCount) {
      write(images, labels, $0, $1)
    }
  }

  /// The loss of this rank's part of a batch by the running statistics, on all ranks together.
  ///
  /// - Throws: As `train(_:labels:of:learningRate:)`.
  public func evaluate(
    _ images: Tensor<Float>, labels: [Int], of samples: Int? = nil
  ) throws -> Sums {
    let samples = try check(images, labels, samples)
    return try evaluate(samples) { write(images, labels, $0, $1) }
  }

  private func check(_ images: Tensor<Float>, _ labels: [Int], _ samples: Int?) throws -> Int {
    let samples = samples ?? images.shape.first ?? 0
    let expected = part(of: samples).shape
    guard samples > 0, images.shape == expected else {
      throw NetworkError.unexpectedImages(shape: images.shape, expected: expected, batch: samples)
    }
    guard labels.count == expected[0] else {
      throw NetworkError.unexpectedLabels(count: labels.count, samples: expected[0])
    }
    for (sample, label) in labels.enumerated() where !(0..<programs.classes).contains(label) {
      throw NetworkError.labelOutOfRange(label: label, sample: sample, classes: programs.classes)
    }
    return samples
  }

  private func write(
    _ images: Tensor<Float>, _ labels: [Int], _ pixels: UnsafeMutablePointer<Float>,
    _ classes: UnsafeMutablePointer<Int32>
  ) {
    images.withPointer { pixels.update(from: $0, count: images.count) }
    for (sample, label) in labels.enumerated() { classes[sample] = Int32(label) }
  }
}
