/// How one tensor of a nest lies in memory while the kernel runs: as given, or copied into a scratch
/// buffer with its dimensions in another order.
struct TensorOrder: Hashable {
  /// The dimensions from outermost to innermost; `nil` leaves the tensor where it is.
  let packed: [Int]?

  static let asGiven = TensorOrder(packed: nil)

  /// The memory stride of every dimension.
  func strides(_ dimensions: [ContractionNest.Dimension]) -> [Int] {
    var strides = [Int](repeating: 0, count: dimensions.count)
    var stride = 1
    for dimension in (packed ?? Array(dimensions.indices)).reversed() {
      strides[dimension] = stride
      stride *= dimensions[dimension].extent
    }
    return strides
  }
}

extension ContractionNest {
  /// The part a dimension plays in the product, by which of the three tensors share its loop.
  private enum Part: Int {
    /// In one tensor only, or a filter's dimension, which is walked tap by tap.
    case outside
    /// In all three: element-wise.
    case batch
    /// The destination's rows, columns, and the summed modes.
    case m, n, k
  }

  /// The orders worth trying for each tensor: as it is; for a GEMM (element-wise modes outermost,
  /// modes of one part together); for a multiply-add (element-wise modes innermost).
  func candidateOrders(roles: [Role]) -> [[TensorOrder]] {
    let carriers = loops.indices.map { loop in
      roles.map { role in
        self[role].contains { $0.terms.contains { $0.loop == loop } }
      }
    }
    func part(_ dimension: Dimension) -> Part {
      guard let first = dimension.terms.first else { return .outside }
      // The loop of a two-loop dimension that the destination or the other source shares plainly.
      switch carriers[first.loop] {
      case [true, true, true]: return .batch
      case [true, true, false]: return .m
      case [true, false, true]: return .n
      case [false, true, true]: return .k
      default: return .outside
      }
    }
    // Modes of one part stand in the order of the largest tensor that has them: it is the costliest
    // to copy, and where the others follow its order, their loops merge.
    let bySize = roles.sorted { count($0) > count($1) }
    func position(_ dimension: Dimension) -> Int {
      guard let loop = dimension.terms.first?.loop else { return 0 }
      for role in bySize {
        let index = self[role].firstIndex { $0.terms.contains { $0.loop == loop } }
        if let index { return index }
      }
      return 0
    }
    return roles.map { role in
      let dimensions = self[role]
      func order(_ rank: (Part) -> Int) -> TensorOrder {
        let order = dimensions.indices.sorted { a, b in
          let (x, y) = (part(dimensions[a]), part(dimensions[b]))
          return (rank(x), position(dimensions[a]), a)
            < (rank(y), position(dimensions[b]), b)
        }
        return order == Array(dimensions.indices) ? .asGiven : TensorOrder(packed: order)
      }
      let forGemm = order { $0 == .outside ? 0 : $0.rawValue }
      let forMultiplyAdd = order { $0 == .batch ? 9 : $0.rawValue }
      var orders = [TensorOrder.asGiven]
      for candidate in [forGemm, forMultiplyAdd] where !orders.contains(candidate) {
        orders.append(candidate)
      }
      return orders
    }
  }
}
