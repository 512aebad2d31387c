import Collectives
import Kernels

/// What one step adds up over all ranks: every gradient, in one buffer, and beside them, in Double, the
/// `Counts`, which a Float holds only up to 2²⁴.
///
/// Sums are divided by the global number of samples only once they are complete, so parts of
/// unequal size, and empty ones, give the exact mean.
struct GradientSum {
  /// Of one rank's samples, or of all.
  struct Counts: Equatable {
    var lossSum: Double
    var samples: Int
    /// Of these, those that were told right.
    var correct: Int
    /// Ranks that were asked to stop: so all learn of it in the same step.
    var stopping: Int
  }

  /// The gradients one after the other.
  private var buffer: [Float]

  init(_ parameters: [Parameter]) {
    buffer = [Float](repeating: 0, count: parameters.reduce(0) { $0 + $1.gradient.count })
  }

  /// Replaces this rank's gradient sums by the mean gradients over the global batch, and returns
  /// the sums of all ranks' counts.
  mutating func reduce(
    _ parameters: [Parameter], _ own: Counts, communicator: any Communicator
  ) throws -> Counts {
    var start = 0
    for parameter in parameters {
      parameter.gradient.withElements { gradient in
        buffer.withUnsafeMutableBufferPointer { buffer in
          _ = UnsafeMutableBufferPointer(rebasing: buffer[start..<start + gradient.count])
            .update(from: gradient)
        }
      }
      start += parameter.gradient.count
    }
    try buffer.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
    // Exact: whole numbers below 2⁵³.
    var counts = [
      own.lossSum, Double(own.samples), Double(own.correct), Double(own.stopping),
    ]
    try counts.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }

    let total = Float(counts[1])
    start = 0
    for parameter in parameters {
      parameter.gradient.withMutableElements { gradient in
        buffer.withUnsafeBufferPointer { buffer in
          for i in gradient.indices { gradient[i] = buffer[start + i] / total }
        }
      }
      start += parameter.gradient.count
    }
    return Counts(
      lossSum: counts[0], samples: Int(counts[1]), correct: Int(counts[2]),
      stopping: Int(counts[3]))
  }
}
