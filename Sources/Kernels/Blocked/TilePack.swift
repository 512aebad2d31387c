/// How a tile of a tensor is copied to or from scratch: padded, so that no tap leaves it, and in the
/// order that the kernel walks.
struct TilePack: Sendable {
  /// One block that is copied as a whole.
  struct Copy: Sendable {
    var extents: [Int]
    var givenStrides: [Int]
    var packedStrides: [Int]
    var givenOffset: Int
    var packedOffset: Int
    /// Which of the extents is the tile's.
    var tileDimension: Int?
  }

  var copies: [Copy]
  /// Scratch elements of one tile.
  var count: Int
  /// Whether some of them are not copied: those are zero.
  var hasBorder: Bool

  /// - Parameter tile: of the tile's loop, the first index and the number.
  func load<Element: TensorElement>(
    _ tile: Range<Int>, from given: UnsafePointer<Element>,
    to packed: UnsafeMutablePointer<Element>
  ) {
    if hasBorder { Movement.fillWithZeros(packed, count: count) }
    for copy in copies {
      let (extents, offset) = copy.part(tile)
      Movement.move(
        extents: extents, to: packed + copy.packedOffset, copy.packedStrides,
        from: given + offset, copy.givenStrides)
    }
  }

  func store<Element: TensorElement>(
    _ tile: Range<Int>, from packed: UnsafePointer<Element>,
    to given: UnsafeMutablePointer<Element>, adding: Bool
  ) {
    for copy in copies {
      let (extents, offset) = copy.part(tile)
      Movement.move(
        adding: adding, extents: extents, to: given + offset, copy.givenStrides,
        from: packed + copy.packedOffset, copy.packedStrides)
    }
  }
}

extension TilePack.Copy {
  /// The extents of a tile, and where it starts in the given tensor.
  func part(_ tile: Range<Int>) -> (extents: [Int], offset: Int) {
    guard let tileDimension else { return (extents, givenOffset) }
    var extents = extents
    extents[tileDimension] = tile.count
    return (extents, givenOffset + tile.lowerBound * givenStrides[tileDimension])
  }
}
