import Kernels
import Planning

/// Evaluates a conv_einsum expression, by the plan that `convoy contract` runs too: the fastest by the
/// kernels' estimates, where a run takes longer than a search.
///
/// ```swift
/// let y = try contract("bshw,tshw->bthw|hw", x, w)
/// let z = try contract(
///   "bshw,rt,rs,rh,rw->bthw|hw", x, t, s, h, w, rules: ConvRules(all: ConvRule(kind: .correlation)))
/// ```
///
/// - Parameters:
///   - expression: see `docs/notation.md`.
///   - operands: one tensor per term.
///   - rules: how the convolution modes are evaluated; true convolution, `same`, by default.
///   - context: the kernels that run it.
/// - Throws: `ExpressionError` if the expression is malformed or does not fit the shapes, `OrderError`
///   if the optimizer that was asked for cannot handle it, `ExecutionError` if memory is too short.
public func contract<Element: TensorElement>(
  _ expression: String, _ operands: Tensor<Element>..., rules: ConvRules = ConvRules(),
  options: PlanOptions = PlanOptions(), context: Context = .process
) throws -> Tensor<Element> {
  try contract(expression, operands, rules: rules, options: options, context: context)
}

/// Evaluates a conv_einsum expression of any number of operands.
public func contract<Element: TensorElement>(
  _ expression: String, _ operands: [Tensor<Element>], rules: ConvRules = ConvRules(),
  options: PlanOptions = PlanOptions(), context: Context = .process
) throws -> Tensor<Element> {
  let bound = try BoundExpression(expression, shapes: operands.map(\.shape), rules: rules)
  let plan = try Plan(bound, options: options, costs: KernelCosts(context))
  return try Contraction(plan, context: context)(operands)
}
