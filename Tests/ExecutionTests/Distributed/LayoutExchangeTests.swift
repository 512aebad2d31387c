import Collectives
import Kernels
import Partitioning
import Planning
import Testing

@testable import Execution

/// Redistributions outside a plan, and gradients that stay terms of a sum.
@Suite struct LayoutExchangeTests {
  /// Element (i, j) of the 7×5 tensor is 10·i + j.
  static func part(_ box: Box, times factor: Float = 1) -> [Float] {
    box.ranges[0].flatMap { i in box.ranges[1].map { factor * Float(10 * i + $0) } }
  }

  /// Every pair of these layouts of 6 ranks; a partial source's terms are equal.
  @Test func betweenAllPairs() throws {
    let mesh = Mesh(axes: [2, 3])
    let window = Window(resultExtent: 7, stride: 1, low: -1, high: 1, circular: false)
    let sources = [
      Layout(shape: [7, 5], mesh: mesh, axes: [[0], [1]]),
      Layout(shape: [7, 5], mesh: mesh, axes: [[1, 0], []]),
      Layout(shape: [7, 5], mesh: mesh, axes: [[1], []], partialAxes: [0]),
    ]
    let targets =
      sources.prefix(2) + [
        .replicated([7, 5], mesh: mesh),
        Layout(
          mesh: mesh, cuts: [.init(extent: 7, axes: [0, 1], window: window), .init(extent: 5)]),
      ]
    for source in sources {
      let terms = Float(source.partialAxes.reduce(1) { $0 * mesh.axes[$1] })
      for target in targets {
        let right = try ThreadCommunicator.run(ranks: 6) { communicator in
          let rank = communicator.rank
          let box = source.box(of: rank)
          let exchange = LayoutExchange(from: source, to: target, rank: rank)
          let before = communicator.traffic
          let result = try exchange(
            Tensor<Float>(shape: box.shape, elements: Self.part(box)), communicator, what: "test")
          let received = communicator.traffic.since(before).bytesReceived
          return result.elements == Self.part(target.box(of: rank), times: terms)
            && received == 4 * exchange.redistribution.received(by: rank)
        }
        #expect(right.allSatisfy { $0 }, "\(source) to \(target)")
      }
    }
  }

  /// Over the ranks, the terms add up to the gradient that all ranks get otherwise.
  @Test func termsOfGradientsAddUp() throws {
    let expression = try BoundExpression("ai,ij,jb->ab", shapes: [[7, 4], [4, 5], [5, 3]])
    let axes = [[0], []]
    let plan = try DistributedPlan(
      expression,
      options: DistributionOptions(
        ranks: 4, mesh: Mesh(axes: [4]), needsGradient: [true, true, true],
        inputs: [.axes(axes), .replicated, .replicated], output: .axes(axes)))
    @Sendable func tensor(_ shape: [Int]) -> Tensor<Double> {
      Tensor(
        shape: shape,
        elements: (0..<shape.reduce(1, *)).map { Double(($0 * 37 + shape[0]) % 11 - 5) })
    }
    let results = try ThreadCommunicator.run(ranks: 4) { communicator in
      let contraction = try DistributedContraction<Double>(plan, communicator: communicator)
      let first = plan.inputs[0].box(of: communicator.rank).shape
      let (result, record) = try contraction.recorded([
        tensor(first), tensor([4, 5]), tensor([5, 3]),
      ])
      let gradients = try [false, true].map { asTerms in
        try contraction.gradients(
          record, outputGradient: result, needed: [true, true, true], asTerms: asTerms)
      }
      return gradients.map { $0.map { $0?.elements ?? [] } }
    }
    for operand in 1...2 {
      let summed = results[0][0][operand]
      let terms = summed.indices.map { index in
        results.reduce(0) { $0 + $1[1][operand][index] }
      }
      #expect(terms == summed)
      #expect(results.allSatisfy { $0[0][operand] == summed })
      #expect(results[0][1][operand] != summed)
    }
    #expect(results.allSatisfy { $0[0][0] == $0[1][0] })
  }
}
