import Foundation

extension LabelledData {
  /// Samples of each part where the configuration does not say.
  static let syntheticTrainingSamples = 2048
  static let syntheticTestSamples = 512

  /// Learnable images made from the seed.
  ///
  /// Every class has a pattern, a sum of a few waves of random direction and phase per channel; a
  /// sample is the pattern of its class, shifted by up to an eighth of the extents, with noise of a
  /// third of the pattern's amplitude. Sample i is the same however many there are.
  static func synthetic(
    _ configuration: DataConfiguration, seed: UInt64, memory: Int
  ) throws -> LabelledData {
    try requireSyntheticMemory(configuration, memory: memory)
    let training = configuration.trainingSamples ?? syntheticTrainingSamples
    let test = configuration.testSamples ?? syntheticTestSamples
    let shape = configuration.syntheticShape
    let patterns = (0..<configuration.classes).map { label in
      SyntheticPattern(
        random: CounterRandom(seed: seed, purpose: .syntheticPatterns, item: label),
        height: shape[0], width: shape[1], channels: shape[2])
    }
    // Test samples have negative items: the parts never share one.
    return LabelledData(
      training: dataset(patterns, shape, seed: seed, items: 0..<training),
      test: dataset(patterns, shape, seed: seed, items: -test..<0),
      classes: configuration.classes)
  }

  /// - Throws: `TrainingError.syntheticTooLarge`.
  static func requireSyntheticMemory(_ configuration: DataConfiguration, memory: Int) throws {
    let training = configuration.trainingSamples ?? syntheticTrainingSamples
    let test = configuration.testSamples ?? syntheticTestSamples
    let shape = configuration.syntheticShape
    let size = shape.reduce(1, *)
    let (samples, overflow) = training.addingReportingOverflow(test)
    // Pixels and labels, the order of an epoch, and every class's pattern.
    let needed =
      (Double(training) + Double(test)) * Double(size + 1)
      + Double(training) * Double(MemoryLayout<Int>.stride)
      + Double(configuration.classes) * Double(size) * Double(MemoryLayout<Float>.stride)
    guard !overflow, needed <= Double(memory) else {
      throw TrainingError.syntheticTooLarge(samples: overflow ? .max : samples, shape: shape)
    }
  }

  private static func dataset(
    _ patterns: [SyntheticPattern], _ shape: [Int], seed: UInt64, items: Range<Int>
  ) -> Dataset {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(items.count * shape.reduce(1, *))
    var labels: [UInt8] = []
    for item in items {
      let random = CounterRandom(seed: seed, purpose: .syntheticSamples, item: item)
      let label = random.integer(below: patterns.count, at: 0)
      labels.append(UInt8(label))
      patterns[label].appendSample(random, to: &pixels)
    }
    return Dataset(
      height: shape[0], width: shape[1], channels: shape[2], pixels: pixels, labels: labels)
  }
}

extension DataConfiguration {
  /// [height, width, channels], without the padding.
  var syntheticShape: [Int] { [height, width, channels] }

  /// [height, width, channels] with the padding, of images of this shape without it.
  func padded(_ shape: [Int]) -> [Int] {
    [shape[0] + 2 * padding, shape[1] + 2 * padding, shape[2]]
  }
}

/// What the samples of one class have in common.
private struct SyntheticPattern {
  let height: Int
  let width: Int
  let channels: Int
  /// (height, width, channels), periodic in height and width, about −1 … 1.
  let values: [Float]

  private static let waves = 3

  init(random: CounterRandom, height: Int, width: Int, channels: Int) {
    self.height = height
    self.width = width
    self.channels = channels
    var values = [Float](repeating: 0, count: height * width * channels)
    for channel in 0..<channels {
      for wave in 0..<Self.waves {
        let first = 3 * (channel * Self.waves + wave)
        // Whole periods over the image, 0 … 3 in each direction.
        let vertical = Double(random.integer(below: 4, at: first))
        let horizontal = Double(random.integer(below: 4, at: first + 1))
        let phase = Double(random.uniform(at: first + 2))
        for i in 0..<height {
          for j in 0..<width {
            let turns =
              vertical * Double(i) / Double(height) + horizontal * Double(j) / Double(width)
            values[(i * width + j) * channels + channel] +=
              Float(sin(2 * Double.pi * (turns + phase))) / Float(Self.waves)
          }
        }
      }
    }
    self.values = values
  }

  func appendSample(_ random: CounterRandom, to pixels: inout [UInt8]) {
    // Index 0 drew the label.
    let down = random.integer(below: height / 8 + 1, at: 1)
    let right = random.integer(below: width / 8 + 1, at: 2)
    for i in 0..<height {
      for j in 0..<width {
        let source = ((i + down) % height * width + (j + right) % width) * channels
        for channel in 0..<channels {
          let noise = random.normal(at: 3 + (i * width + j) * channels + channel)
          let level = 127.5 + 96 * (values[source + channel] + noise / 3)
          pixels.append(UInt8(min(255, max(0, level))))
        }
      }
    }
  }
}
