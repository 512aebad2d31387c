import Kernels
import Planning

/// The oracle: an expression evaluated straight from its definition (design, section 2).
///
/// All operands are multiplied at once inside one nest of loops over every output index, every
/// summed mode and every tap of every filter. There is no order of evaluation and no plan, and no
/// code is shared with the kernels, so that whatever agrees with this agrees with the definition.
/// It is for checking: one turn of the nest costs tens of nanoseconds.
///
/// With the taps k of the filters written out, an expression's terms (its operands x_t and its
/// result) all have an index that is a function of the loops' indices, and the result is
///
///     y[i] = Σ over the loops that lead to i of Π_t x_t[…]
///
/// It is linear in each operand, so the gradient of an operand for a given gradient g of the result
/// is *the same nest* with the roles exchanged: the product of g and all other operands is added up
/// at the operand's index instead of the result's.
///
/// ```swift
/// let bound = try BoundExpression("ij,jk->ik", shapes: [[2, 3], [3, 4]])
/// let reference = ReferenceEvaluator(bound)
/// let product = reference.evaluate([a, b])                            // [2, 4]
/// let gradient = reference.gradient(
///   ofOperand: 0, operands: [a, b], outputGradient: g)                // [2, 3]
/// ```
public struct ReferenceEvaluator: Sendable {
  private let expression: BoundExpression
  private let nest: DefinitionNest

  public init(_ expression: BoundExpression) {
    self.expression = expression
    nest = DefinitionNest(expression)
  }

  /// The turns of the nest: Π extents of the modes, where a convolution mode counts
  /// `n · Π_j K_j`.
  public var iterations: Int { nest.loops.reduce(1) { $0 * $1.extent } }

  /// The result, of shape `outputShape`.
  ///
  /// - Precondition: the operands have the expression's shapes.
  public func evaluate(_ operands: [Tensor<Double>]) -> Tensor<Double> {
    check(operands)
    return nest.sum(into: operands.count, shape: expression.outputShape, operands + [nil])
  }

  /// The gradient of `⟨outputGradient, result⟩` for one operand, of that operand's shape.
  ///
  /// - Precondition: the operands have the expression's shapes, `outputGradient` its result's.
  public func gradient(
    ofOperand operand: Int, operands: [Tensor<Double>], outputGradient: Tensor<Double>
  ) -> Tensor<Double> {
    check(operands)
    precondition(
      outputGradient.shape == expression.outputShape,
      "an output gradient of \(outputGradient.shape) for a result of \(expression.outputShape)")
    var terms: [Tensor<Double>?] = operands + [outputGradient]
    terms[operand] = nil
    return nest.sum(into: operand, shape: expression.shapes[operand], terms)
  }

  private func check(_ operands: [Tensor<Double>]) {
    precondition(
      operands.map(\.shape) == expression.shapes,
      "operands of \(operands.map(\.shape)) for shapes \(expression.shapes)")
  }
}
