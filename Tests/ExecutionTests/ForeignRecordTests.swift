import Collectives
import Execution
import Foundation
import Kernels
import Planning
import TestSupport
import Testing

/// What does not belong together, or is not there, is an error and not a number.
@Suite struct ForeignRecordTests {
  private static func plan(_ text: String, _ shapes: [[Int]]) throws -> Plan {
    try Plan(BoundExpression(text, shapes: shapes))
  }

  @Test(arguments: Checkpointing.allCases)
  func recordsOfOtherShapesAreRefused(checkpointing: Checkpointing) throws {
    let small = try Contraction<Float>(
      Self.plan("ij,jk->ik", [[2, 3], [3, 4]]), checkpointing: checkpointing)
    let large = try Contraction<Float>(Self.plan("ij,jk->ik", [[200, 300], [300, 400]]))
    let record = try small.recorded([Tensor(shape: [2, 3]), Tensor(shape: [3, 4])]).record
    let error = ExecutionError.foreignRecord(expression: "ij,jk->ik", recorded: "ij,jk->ik")
    #expect(throws: error) {
      try large.gradients(
        record, outputGradient: Tensor(shape: [200, 400]), needed: [true, true])
    }
    #expect(
      "\(error)"
        == "cannot go back through 'ij,jk->ik': the record is of another forward pass, of "
        + "'ij,jk->ik'; give the record of the same plan, of the same shapes, on the same rank")
  }

  /// Of equal shapes, in another order.
  @Test func recordsOfOtherExpressionsAreRefused() throws {
    let first = try Contraction<Double>(Self.plan("ij,jk->ik", [[4, 4], [4, 4]]))
    let second = try Contraction<Double>(Self.plan("ij,jk->ki", [[4, 4], [4, 4]]))
    let square = Tensor<Double>(shape: [4, 4])
    let record = try first.recorded([square, square]).record
    #expect(
      throws: ExecutionError.foreignRecord(expression: "ij,jk->ki", recorded: "ij,jk->ik")
    ) {
      try second.gradients(record, outputGradient: square, needed: [true, true])
    }
  }

  /// A record of the same plan is as good as one's own, whatever it keeps.
  @Test func recordsOfTheSamePlanAreShared() throws {
    let plan = try Self.plan("ij,jk,kl->il", [[2, 3], [3, 4], [4, 2]])
    let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(
      plan.expression.shapes, seed: 1)
    let gradient: Tensor<Double> = TensorData.smallIntegers.tensor([2, 2], seed: 2, operand: 0)
    let reference = ReferenceEvaluator(plan.expression)
    for (made, used) in [(Checkpointing.keep, Checkpointing.recompute), (.recompute, .keep)] {
      let record = try Contraction<Double>(plan, checkpointing: made).recorded(operands).record
      let found = try Contraction<Double>(plan, checkpointing: used)
        .gradients(record, outputGradient: gradient, needed: [true, true, true])
      for operand in operands.indices {
        let expected = reference.gradient(
          ofOperand: operand, operands: operands, outputGradient: gradient)
        #expect(found[operand]?.elements == expected.elements)
      }
    }
  }

  @Test func recordsOfOtherDistributedPlansAreRefused() throws {
    let plans = try [[[2, 3], [3, 4]], [[200, 300], [300, 400]]].map {
      RandomDistribution(try Self.plan("ij,jk->ik", $0), ranks: 2, seed: 3, slicing: false).plan
    }
    let error = ExecutionError.foreignRecord(expression: "ij,jk->ik", recorded: "ij,jk->ik")
    #expect(throws: error) {
      try ThreadCommunicator.run(ranks: 2) { communicator in
        let (small, large) = (
          try DistributedContraction<Float>(plans[0], communicator: communicator),
          try DistributedContraction<Float>(plans[1], communicator: communicator)
        )
        let record = try small.recorded(
          plans[0].inputs.map { Tensor(shape: $0.box(of: communicator.rank).shape) }
        ).record
        _ = try large.gradients(
          record,
          outputGradient: Tensor(shape: plans[1].output.box(of: communicator.rank).shape),
          needed: [true, true])
      }
    }
  }

  /// A plan that no planner makes, whose second step reads what the first has used up: as its first
  /// operand, and as its second.
  @Test(arguments: [0, 1]) func aStepWithoutItsOperandIsAnError(position: Int) throws {
    let plan = try Plan(
      BoundExpression("i,i,i->i", shapes: [[3], [3], [3]]),
      options: PlanOptions(optimizer: .leftToRight))
    let data = try JSONEncoder().encode(plan)
    var json = try #require(
      try JSONSerialization.jsonObject(with: data) as? [String: Any])
    var steps = try #require(json["steps"] as? [[String: Any]])
    var operands = try #require(steps[1]["operands"] as? [Int])
    operands[position] = try #require(plan.steps[0].operands.first)
    steps[1]["operands"] = operands
    json["steps"] = steps
    let broken = try JSONDecoder().decode(
      Plan.self, from: JSONSerialization.data(withJSONObject: json))
    let vector = Tensor<Float>(shape: [3], elements: [1, 2, 3])
    let error = #expect(throws: ExecutionError.self) {
      try Contraction<Float>(broken)([vector, vector, vector])
    }
    guard case .incompleteStep? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }
}
