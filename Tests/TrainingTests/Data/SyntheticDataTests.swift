import Testing

@testable import Training

@Suite struct SyntheticDataTests {
  private func data(training: Int = 600, test: Int = 200, seed: UInt64 = 1) throws -> LabelledData {
    var configuration = DataConfiguration(
      kind: .synthetic, trainingSamples: training, testSamples: test)
    configuration.height = 12
    configuration.width = 10
    configuration.channels = 2
    configuration.classes = 4
    return try LabelledData(configuration, seed: seed)
  }

  @Test func hasTheShapeAskedForAndEveryClass() throws {
    let data = try data()
    #expect(data.training.imageShape == [12, 10, 2])
    #expect(data.training.count == 600)
    #expect(data.test.count == 200)
    #expect(data.classes == 4)
    for label: UInt8 in 0..<4 {
      #expect((100..<200).contains(data.training.labels.count { $0 == label }))
    }
  }

  @Test func paddingGoesRoundEveryChannel() throws {
    var configuration = DataConfiguration(kind: .synthetic, trainingSamples: 3, testSamples: 2)
    (configuration.height, configuration.width, configuration.channels) = (5, 4, 3)
    let plain = try LabelledData(configuration, seed: 1)
    configuration.padding = 1
    let padded = try LabelledData(configuration, seed: 1)
    #expect(padded.test.imageShape == [7, 6, 3])
    #expect(try DataOutline(configuration).imageShape == [7, 6, 3])
    #expect(padded.normalization == plain.normalization)
    let inner = plain.test.batch([1], normalization: plain.normalization).images.elements
    let whole = padded.test.batch([1], normalization: padded.normalization).images.elements
    for row in 0..<7 {
      for place in 0..<18 {
        let isInner = (1..<6).contains(row) && (3..<15).contains(place)
        let expected =
          isInner ? inner[(row - 1) * 12 + place - 3] : padded.normalization.table[0]
        #expect(whole[row * 18 + place] == expected)
      }
    }
  }

  @Test func aSampleDependsOnTheSeedAndItsIndexOnly() throws {
    let (small, large) = (try data(training: 10, test: 5), try data(training: 20, test: 9))
    #expect(small.training == large.training.first(10))
    #expect(small.training != (try data(training: 10, seed: 2)).training)
    #expect(small.training.pixels.prefix(240) != small.test.pixels.prefix(240))
  }

  /// The mean image of each class tells unseen samples apart: there is something to learn, and the
  /// test is of the same kind as the training.
  @Test func isLearnable() throws {
    let data = try data()
    let size = data.training.imageSize
    var means = [[Double]](repeating: [Double](repeating: 0, count: size), count: 4)
    for sample in 0..<data.training.count {
      let label = Int(data.training.labels[sample])
      let share = 1 / Double(data.training.labels.count { Int($0) == label })
      for i in 0..<size {
        means[label][i] += share * Double(data.training.pixels[sample * size + i])
      }
    }
    let correct = (0..<data.test.count).count { sample in
      let distances = means.map { mean in
        (0..<size).reduce(0.0) { sum, i in
          let difference = mean[i] - Double(data.test.pixels[sample * size + i])
          return sum + difference * difference
        }
      }
      let nearest = distances.indices.min { distances[$0] < distances[$1] }
      return nearest == Int(data.test.labels[sample])
    }
    #expect(correct > 160, "\(correct) of 200")
  }

  @Test func tooLargeAnAmountIsRefused() {
    var configuration = DataConfiguration(kind: .synthetic, trainingSamples: .max, testSamples: 1)
    #expect(throws: TrainingError.syntheticTooLarge(samples: .max, shape: [28, 28, 1])) {
      try LabelledData(configuration, seed: 0)
    }
    configuration.trainingSamples = 1 << 30
    #expect(throws: TrainingError.self) {
      try LabelledData(configuration, seed: 0, memory: 1 << 36)
    }
  }

  /// Pixels and labels of 10 + 5 samples, the order of 10, and the patterns of 3 classes in `Float`.
  @Test func whatIsHeldIsComparedWithMemory() throws {
    var configuration = DataConfiguration(kind: .synthetic, trainingSamples: 10, testSamples: 5)
    (configuration.height, configuration.width, configuration.classes) = (4, 5, 3)
    let needed = 15 * (20 + 1) + 10 * 8 + 3 * 20 * 4
    #expect(try LabelledData(configuration, seed: 0, memory: needed).training.count == 10)
    #expect(throws: TrainingError.syntheticTooLarge(samples: 15, shape: [4, 5, 1])) {
      try LabelledData(configuration, seed: 0, memory: needed - 1)
    }
  }
}
