import Partitioning

extension DistributedPlan {
  /// A layout for people, e.g. `b/4 t/2`: into how many parts each mode is cut; then `+2` for terms
  /// of a sum and `×2` for copies. `whole` where there is one rank, or nothing else to say.
  ///
  /// - Parameter modes: of the tensor, by dimension.
  public func layoutText(_ layout: Layout, modes: [Int?]) -> String {
    var words: [String] = []
    for (dimension, mode) in modes.enumerated() where layout.parts(dimension) > 1 {
      words.append(name(of: mode) + "/\(layout.parts(dimension))")
    }
    words += count("+", layout.partialAxes, layout.mesh)
    words += count("×", layout.replicationAxes, layout.mesh)
    return words.isEmpty ? "whole" : words.joined(separator: " ")
  }

  /// A grid for people, e.g. `b4 t2`; `×2` for ranks that do the same, `+2` for ranks that do so
  /// with other terms of an operand.
  func gridText(_ step: StepDistribution) -> String {
    var words = step.grid.cuts.map { cut in
      name(of: cut.mode) + "\(cut.axes.reduce(1) { $0 * mesh.extent($1) })"
    }
    let cutting = Set(step.grid.cuts.flatMap(\.axes))
    words += count("+", step.computed.partialAxes.filter { !cutting.contains($0) }, mesh)
    words += count("×", step.computed.replicationAxes, mesh)
    return words.isEmpty ? "-" : words.joined(separator: " ")
  }

  /// `1` for a dimension that is broadcast.
  func name(of mode: Int?) -> String {
    mode.map { plan.expression.modes[$0].mode.description } ?? "1"
  }

  private func count(_ sign: String, _ axes: [Int], _ mesh: Mesh) -> [String] {
    let count = axes.reduce(1) { $0 * mesh.extent($1) }
    return count > 1 ? ["\(sign)\(count)"] : []
  }
}
