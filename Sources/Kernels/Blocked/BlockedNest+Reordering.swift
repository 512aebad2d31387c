extension BlockedNest {
  /// One of the tensors copied as a whole into another order of its dimensions, or repeated, beforehand;
  /// afterwards if it is the destination, whose repetitions are added up, and which may have elements besides.
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
    /// Where the copy's first element is given.
    private(set) var offset = 0
    /// Elements of a destination of which the copy has a part; the others are zeros, unless it is added to.
    private(set) var spreadCount: Int?
    /// In the workspace.
    var start = 0
    /// Estimated.
    var nanoseconds: Double { 300 + Double(count) * 0.4 + Double(spreadCount ?? 0) * 0.1 }
    var repeats: Bool { repetitions > 1 }

    /// Elements of a copy that repeats: a small part of a second-level cache, for it is read over and
    /// over.
    static let mostRepeated = 1 << 15

    init(tensor: Int, dimensions: [ContractionNest.Dimension], order: [Int]) {
      let extents = dimensions.map(\.extent)
      self.init(
        tensor: tensor, extents: extents,
        givenStrides: Self.strides(extents, order: Array(extents.indices)),
        packedStrides: Self.strides(extents, order: order))
    }

    private init(tensor: Int, extents: [Int], givenStrides: [Int], packedStrides: [Int]) {
      self.tensor = tensor
      self.extents = extents
      self.givenStrides = givenStrides
      self.packedStrides = packedStrides
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

    /// A destination of which only some elements are written.
    ///
    /// - Parameters:
    ///   - written: The dimensions of those that are.
    ///   - whole: How each is indexed among all, by at most one loop, forwards and within the extent.
    init(spreading written: [ContractionNest.Dimension], over whole: [ContractionNest.Dimension]) {
      let extents = written.map(\.extent)
      let all = whole.map(\.extent)
      let strides = Self.strides(all, order: Array(all.indices))
      self.init(
        tensor: 0, extents: extents,
        givenStrides: zip(whole, strides).map { ($0.terms.first?.coefficient ?? 1) * $1 },
        packedStrides: Self.strides(extents, order: Array(extents.indices)))
      offset = zip(whole, strides).reduce(0) { $0 + $1.0.offset * $1.1 }
      spreadCount = all.reduce(1, *)
    }

    /// The same of a copy whose dimensions another reordering has put in order.
    func ordered(as other: Self) -> Self {
      var spread = Self(
        tensor: tensor, extents: extents, givenStrides: givenStrides,
        packedStrides: other.packedStrides)
      (spread.offset, spread.spreadCount) = (offset, spreadCount)
      return spread
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
      if let spreadCount, !adding { Movement.fillWithZeros(given, count: spreadCount) }
      for repetition in 0..<repetitions {
        Movement.move(
          adding: adding || repetition > 0, extents: extents, to: given + offset, givenStrides,
          from: copy + repetition * repetitionStride, packedStrides)
      }
    }
  }
}
