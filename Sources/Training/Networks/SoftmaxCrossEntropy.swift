import Foundation
import Kernels

/// The loss of a batch: its sum over the samples, so that parts of a batch add up exactly.
///
/// ```swift
/// let loss = try softmaxCrossEntropy(logits: logits, labels: [3, 0])
/// let mean = loss.sum / 2
/// ```
public struct BatchLoss: Sendable {
  /// Σ_b −log softmax(logits_b)[label_b], in nats.
  public let sum: Double
  /// Samples whose largest logit is the label's; the first where several are largest.
  public let correct: Int
  /// Of the sum: softmax(logits) − one-hot(label), `[batch, classes]`.
  public let gradient: Tensor<Float>
}

/// Cross-entropy of `softmax(logits)`, `[batch, classes]`, against one label per sample. A NaN or
/// infinite logit gives a NaN sum.
///
/// - Throws: `NetworkError.unexpectedInput`, `.labelCount`, `.labelOutOfRange`.
public func softmaxCrossEntropy(
  logits: Tensor<Float>, labels: some Collection<Int>
) throws -> BatchLoss {
  guard logits.shape.count == 2, logits.shape[1] > 0 else {
    throw NetworkError.unexpectedInput(
      layer: "cross-entropy", shape: logits.shape, expected: "[batch, classes]")
  }
  let (batch, classes) = (logits.shape[0], logits.shape[1])
  guard labels.count == batch else {
    throw NetworkError.labelCount(labels: labels.count, samples: batch)
  }
  for (sample, label) in labels.enumerated() where !(0..<classes).contains(label) {
    throw NetworkError.labelOutOfRange(label: label, sample: sample, classes: classes)
  }
  var sum = 0.0
  var correct = 0
  var gradient = Tensor<Float>(uninitialized: logits.shape)
  logits.withElements { logits in
    gradient.withMutableElements { gradient in
      for (sample, label) in labels.enumerated() {
        let row = UnsafeBufferPointer(rebasing: logits[sample * classes..<(sample + 1) * classes])
        // Subtracting the largest keeps every exponential at most 1.
        let largest = row.reduce(-Float.infinity) { $1 > $0 ? $1 : $0 }
        let exponentials = row.map { exp(Double($0 - largest)) }
        let total = exponentials.reduce(0, +)
        sum += log(total) - Double(row[label] - largest)
        if row.firstIndex(of: largest) == label { correct += 1 }
        for (index, exponential) in exponentials.enumerated() {
          let probability = exponential / total
          gradient[sample * classes + index] = Float(index == label ? probability - 1 : probability)
        }
      }
    }
  }
  return BatchLoss(sum: sum, correct: correct, gradient: gradient)
}
