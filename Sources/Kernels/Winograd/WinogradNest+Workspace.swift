extension WinogradNest {
  /// Where things lie in the workspace, in elements. A point's plane is not a multiple of a page, nor a
  /// tile's of half of one, or all points of a tile, and all tiles of a point, would want the same lines of
  /// the first-level cache.
  struct Workspace: Sendable {
    /// Runs of groups, and elements from the place of one to that of the next.
    var runs = 1
    var runStep = 0
    /// Blocks of outputs that a point's product makes before the next point's: while they are made, the
    /// point's data stay in the first-level cache.
    var blocks = 1
    /// Inputs whose taps are packed and transformed at a time: all, unless there is one group of few tiles.
    var inputsAtOnce = 0
    /// Of how many blocks taps are packed at a time.
    var packedBlocks = 1
    /// Of one group: parts of its blocks, each with its own taps and what is made of them, and elements from one's
    /// place to that of the next.
    var parts = 1
    var partStep = 0
    /// Of the first run: copies of data, and of results: one after the other, never together.
    var copies = 0
    /// Points of the data: [point][tile][input].
    var data = 0
    var dataPlane = 0
    /// From tile to tile.
    var dataTile = 0
    /// Points of the results, [block][point][tile][lane]: for taps' gradients of all blocks.
    var results = 0
    var resultPlane = 0
    var resultBlock = 0
    /// Points of the taps, [block][point][input][lane]: all blocks, or `blocks` of them if there is one
    /// group. For results all runs have them in common, of the taps' gradients each has its own.
    var taps = 0
    var tapPlane = 0
    var tapBlock = 0
    /// Of many groups, what additions to the taps' gradients round off, each run's own.
    var tapLow: Int?
    /// Taps with the outputs innermost, [input][row][column][output] or [row][column][input][output].
    var packedTaps = 0
    /// One tile that is computed directly, of each part.
    var direct = 0
    var count = 0
  }
}
