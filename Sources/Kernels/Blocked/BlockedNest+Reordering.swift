extension BlockedNest {
  /// One of the tensors copied as a whole into another order of its dimensions, or repeated, beforehand;
  /// afterwards if it is the destination, whose repetitions are added up.
  struct Reordering: Sendable {
    let tensor: Int
    /// Of one repetition.
    let extents: [Int]
    let givenStrides: [Int]
    let packedStrides: [Int]
    let repetitions: Int
    let repetitionStride: Int
    /// Elements of the copy.
    let count: Int
    /// In the workspace.
    var start = 0
    /// Estimated.
    var nanoseconds: Double { 300 + Double(count) * 0.4 }
    var repeats: Bool { repetitions > 1 }

    /// Elements of a copy that repeats: a small part of a second-level cache, for it is read over and
    /// over.
    static let mostRepeated = 1 << 15

    init(tensor: Int, dimensions: [ContractionNest.Dimension], order: [Int]) {
      self.tensor = tensor
      extents = dimensions.map(\.extent)
      givenStrides = Self.strides(extents, order: Array(extents.indices))
      packedStrides = Self.strides(extents, order: order)
      count = extents.reduce(1, *)
      (repetitions, repetitionStride) = (1, 0)
    }

    /// The dimensions from `place` on repeated for every index of those before.
    init(
      tensor: Int, dimensions: [ContractionNest.Dimension], repeating repetitions: Int,
      from place: Int
    ) {
      self.tensor = tensor
      extents = dimensions.map(\.extent)
      givenStrides = Self.strides(extents, order: Array(extents.indices))
      packedStrides = givenStrides.enumerated().map { $0 < place ? $1 * repetitions : $1 }
      self.repetitions = repetitions
      repetitionStride = extents[place...].reduce(1, *)
      count = extents.reduce(repetitions, *)
    }

    private static func strides(_ extents: [Int], order: [Int]) -> [Int] {
      var strides = [Int](repeating: 0, count: extents.count)
      var stride = 1
      for dimension in order.reversed() {
        strides[dimension] = stride
        stride *= extents[dimension]
      }
      return strides
    }

    func load<Element: TensorElement>(
      from given: UnsafePointer<Element>, to copy: UnsafeMutablePointer<Element>
    ) {
      Movement.move(
        extents: [repetitions] + extents, to: copy, [repetitionStride] + packedStrides,
        from: given, [0] + givenStrides)
    }

    func store<Element: TensorElement>(
      from copy: UnsafePointer<Element>, to given: UnsafeMutablePointer<Element>, adding: Bool
    ) {
      for repetition in 0..<repetitions {
        Movement.move(
          adding: adding || repetition > 0, extents: extents, to: given, givenStrides,
          from: copy + repetition * repetitionStride, packedStrides)
      }
    }
  }
}
