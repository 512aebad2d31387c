extension ContractionNest {
  /// Evaluates the nest by walking every iteration: the oracle of the kernels, plain and slow.
  ///
  /// - Returns: the elements of the tensor `written`, row-major.
  public func evaluateByDefinition(
    writing written: Role, _ p: [Double], _ q: [Double]
  ) -> [Double] {
    var output = [Double](repeating: 0, count: count(written))
    if loops.contains(0) { return output }
    let (pRole, qRole) = written.sources
    var indices = loops.map { _ in 0 }
    while true {
      if let to = element(written, indices), let a = element(pRole, indices),
        let b = element(qRole, indices)
      {
        output[to] += p[a] * q[b]
      }
      var loop = loops.count - 1
      while loop >= 0 {
        indices[loop] += 1
        if indices[loop] < loops[loop] { break }
        indices[loop] = 0
        loop -= 1
      }
      if loop < 0 { return output }
    }
  }

  /// The flat index of a tensor's element at given loop indices; `nil` outside.
  private func element(_ role: Role, _ indices: [Int]) -> Int? {
    var flat = 0
    for dimension in self[role] {
      var index = dimension.terms.reduce(dimension.offset) {
        $0 + $1.coefficient * indices[$1.loop]
      }
      if dimension.circular {
        index = ((index % dimension.extent) + dimension.extent) % dimension.extent
      }
      guard 0 <= index && index < dimension.extent else { return nil }
      flat = flat * dimension.extent + index
    }
    return flat
  }
}
