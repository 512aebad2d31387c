import Planning

@testable import Graph

/// One turn of an expression's loops: the index of every operand and of the result.
private struct Turn {
  var operands: [[Int]]
  var result: [Int]
}

extension BoundExpression {
  /// Calls `body` for all indices of all modes and all taps of all filters (design, section 2),
  /// except where a feature is read outside its extent.
  fileprivate func forEachTurn(_ body: (Turn) -> Void) {
    let start = Turn(operands: shapes.map { $0.map { _ in 0 } }, result: output.map { _ in 0 })
    turn(mode: 0, start, body)
  }

  /// All indices of this mode and the ones after it.
  private func turn(mode: Int, _ turn: Turn, _ body: (Turn) -> Void) {
    guard mode < modes.count else { return body(turn) }
    let geometry = modes[mode].convolution
    let taps = DoubleTensor.indices(of: geometry?.filters.map(\.extent) ?? [])
    for index in 0..<outputExtent(mode) {
      for tap in taps {
        var next = turn
        if let place = output.firstIndex(of: mode) { next.result[place] = index }
        if let geometry {
          guard let position = position(geometry, index, tap) else { continue }
          set(mode, geometry.feature, position, in: &next)
          for (filter, tap) in zip(geometry.filters, tap) {
            set(mode, filter.operand, tap, in: &next)
          }
        } else {
          for operand in operands.indices { set(mode, operand, index, in: &next) }
        }
        self.turn(mode: mode + 1, next, body)
      }
    }
  }

  private func set(_ mode: Int, _ operand: Int, _ index: Int, in turn: inout Turn) {
    for dimension in 0..<operands[operand].count where operands[operand][dimension] == mode {
      turn.operands[operand][dimension] = index
    }
  }

  /// Where an output reads the feature; `nil` if that is outside.
  private func position(_ geometry: ConvolutionGeometry, _ index: Int, _ taps: [Int]) -> Int? {
    var reached = taps.reduce(0) { $0 + geometry.dilation * $1 }
    if geometry.kind == .convolution { reached = geometry.reach - reached }
    let position = index * geometry.stride - geometry.low + reached
    let extent = geometry.featureExtent
    if geometry.boundary == .circular { return ((position % extent) + extent) % extent }
    return (0..<extent).contains(position) ? position : nil
  }
}

private func bound(
  _ expression: String, _ rules: ConvRules, _ operands: [DoubleTensor]
) -> BoundExpression {
  do {
    return try BoundExpression(expression, shapes: operands.map(\.shape), rules: rules)
  } catch {
    preconditionFailure("\(error)")
  }
}

extension Operators.Contraction: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let bound = bound(expression, rules, inputs)
    var result = DoubleTensor(bound.outputShape)
    bound.forEachTurn { turn in
      result[turn.result] += zip(inputs, turn.operands).reduce(1) { $0 * $1.0[$1.1] }
    }
    return [result]
  }
}

extension Operators.ContractionAdjoint: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let operands = Array(inputs.dropLast())
    let gradient = inputs[operands.count]
    var results = operands.map { DoubleTensor($0.shape) }
    bound(expression, rules, operands).forEachTurn { turn in
      for target in operands.indices {
        var product = gradient[turn.result]
        for other in operands.indices where other != target {
          product *= operands[other][turn.operands[other]]
        }
        results[target][turn.operands[target]] += product
      }
    }
    return results.indices.filter { needed[$0] }.map { results[$0] }
  }
}
