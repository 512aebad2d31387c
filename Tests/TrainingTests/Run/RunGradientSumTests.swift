import Collectives
import Kernels
import Testing

@testable import Training

@Suite struct RunGradientSumTests {
  /// Ranks with 0, 2 and 6 of 8 samples: the mean is over samples, not over ranks. All numbers are
  /// exact in binary.
  @Test func sumsAreDividedByTheGlobalNumberOfSamples() throws {
    let samples = [0, 2, 6]
    let results = try ThreadCommunicator.run(ranks: 3) { communicator in
      let count = Float(samples[communicator.rank])
      let parameters = [
        Parameter(name: "a", value: Tensor(shape: [2, 2]), decays: true),
        Parameter(name: "empty", value: Tensor(shape: [0]), decays: true),
        Parameter(name: "b", value: Tensor(shape: []), decays: false),
      ]
      // Gradient sums of 1 per sample for `a`, and of the rank per sample for `b`.
      parameters[0].gradient = Tensor(shape: [2, 2], elements: [count, 2 * count, 0, -count])
      parameters[2].gradient = Tensor(count * Float(communicator.rank))
      var sum = GradientSum(parameters)
      var totals: [Double] = []
      // The buffer is used again at the next step.
      for _ in 1...2 {
        let total = try sum.reduce(
          parameters,
          .init(
            lossSum: 0.5 * Double(count), samples: samples[communicator.rank],
            correct: communicator.rank, stopping: communicator.rank == 1 ? 1 : 0),
          communicator: communicator)
        totals += [total.lossSum, Double(total.samples), Double(total.correct)]
        #expect(total.stopping == 1)
        if totals.count == 3 {
          #expect(parameters[0].gradient.elements == [1, 2, 0, -1])
          // (2 · 1 + 6 · 2) / 8
          #expect(parameters[2].gradient.elements == [1.75])
          for parameter in parameters {
            parameter.gradient.withMutableElements { $0.update(repeating: count) }
          }
        }
      }
      #expect(parameters[0].gradient.elements == [1, 1, 1, 1])
      return totals
    }
    #expect(results == Array(repeating: [4, 8, 3, 4, 8, 3], count: 3))
  }

  /// 2²⁴ + 1 samples, and a loss whose parts are each lost in a Float beside the others: 2²⁴, 1 and 0.25.
  @Test func countsAndLossesAreExactBeyondAFloat() throws {
    let samples = [1 << 24, 1, 0]
    let losses = [Double(1 << 24), 1, 0.25]
    let results = try ThreadCommunicator.run(ranks: 3) { communicator in
      let parameters = [Parameter(name: "a", value: Tensor(shape: [1]), decays: true)]
      var sum = GradientSum(parameters)
      let total = try sum.reduce(
        parameters,
        .init(
          lossSum: losses[communicator.rank], samples: samples[communicator.rank],
          correct: samples[communicator.rank], stopping: 0),
        communicator: communicator)
      return [total.lossSum, Double(total.samples), Double(total.correct)]
    }
    #expect(results == Array(repeating: [16_777_217.25, 16_777_217, 16_777_217], count: 3))
  }
}
