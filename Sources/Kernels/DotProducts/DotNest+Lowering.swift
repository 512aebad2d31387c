extension DotNest {
  /// Of the list of offsets.
  private static let mostOffsets = 1 << 14

  /// `nil` where no summed loop is contiguous in both sources as they are given, or where what is read
  /// lies outside of them.
  init?(_ nest: ContractionNest, roles: [ContractionNest.Role], context: Context) {
    guard let form = GatherForm(nest, roles: roles)?.merged(),
      let problem = BlockedNest.Problem(form, context)
    else { return nil }
    self.init(
      problem, destinationCount: nest.count(roles[0]),
      sums: SumLength(nest, writing: roles[0]))
  }

  private init?(
    _ problem: BlockedNest.Problem, destinationCount: Int, sums: SumLength
  ) {
    (self.destinationCount, self.sums) = (destinationCount, sums)
    let loops = problem.loops
    let areInside = problem.tensors.allSatisfy {
      $0.allSatisfy { $0.isPlain(loops) || $0.isAlwaysInBounds(loops) }
    }
    guard areInside else { return nil }
    let steps = (0..<3).map { problem.givenSteps($0) }
    let summed = problem.summed
    let contiguous = summed.first { loop in (1...2).allSatisfy { steps[$0].strides[loop] == 1 } }
    guard let contiguous, loops[contiguous] > 1 else { return nil }

    func longest(_ candidates: [Int]) -> Int? { candidates.max { loops[$0] < loops[$1] } }
    let own = [longest(problem.kind(true, true, false)), longest(problem.kind(true, false, true))]
    func extent(_ loop: Int?) -> Int { loop.map { loops[$0] } ?? 1 }
    let rowSource = extent(own[0]) >= extent(own[1]) ? 1 : 2
    let (a, b) = (steps[rowSource], steps[3 - rowSource])
    let d = steps[0]
    func level(_ loop: Int?) -> LoopLevel {
      guard let loop else { return LoopLevel(count: 1, a: 0, b: 0, d: 0) }
      return LoopLevel(
        count: loops[loop], a: a.strides[loop], b: b.strides[loop], d: d.strides[loop])
    }
    context = problem.context
    self.rowSource = rowSource
    (aBase, bBase) = (a.base, b.base)
    rows = level(own[rowSource - 1])
    columns = level(own[2 - rowSource])
    levels = loops.indices.filter {
      loops[$0] > 1 && problem.carriers[$0][0] && !own.contains($0)
    }.sorted { (d.strides[$0], $1) > (d.strides[$1], $0) }.map(level)

    depth = loops[contiguous]
    // Panels of even depth, of whole cache lines but for the last.
    let parts = (depth + Self.panelDepth - 1) / Self.panelDepth
    depthPerPanel = ((depth + parts - 1) / parts + 15) / 16 * 16
    let listed = summed.filter { $0 != contiguous }
    let listCount = listed.reduce(1) { $0 * loops[$1] }
    guard listCount <= Self.mostOffsets else { return nil }
    listPerPanel = max(1, Self.panelDepth / min(depth, depthPerPanel))
    var offsets = [(a: 0, b: 0)]
    for loop in listed.sorted(by: { a.strides[$0] < a.strides[$1] }) {
      offsets = (0..<loops[loop]).flatMap { index in
        offsets.map { ($0.a + index * a.strides[loop], $0.b + index * b.strides[loop]) }
      }
    }
    aOffsets = offsets.map(\.a)
    bOffsets = offsets.map(\.b)

    let levels = self.levels
    func matrices(where isCounted: (LoopLevel) -> Bool) -> Double {
      levels.filter(isCounted).reduce(1) { $0 * Double($1.count) }
    }
    // The rows are read again for every panel of columns.
    let columnPanels = (columns.count + Self.panelColumns - 1) / Self.panelColumns
    let read =
      Double(rows.count * columnPanels) * matrices { $0.a != 0 }
      + Double(columns.count) * matrices { $0.b != 0 }
    nanoseconds =
      matrices { _ in true }
      * Self.estimate(
        rows: Double(rows.count), columns: Double(columns.count), depth: depth,
        depthPerPanel: depthPerPanel, list: Double(listCount),
        listPerPanel: Double(min(listCount, listPerPanel)), context.times)
      + Double(listCount) * Double(depth) * read * context.times.movedSummand
  }

  /// Of one matrix, whose rows and columns are in a cache.
  private static func estimate(
    rows: Double, columns: Double, depth: Int, depthPerPanel: Int, list: Double,
    listPerPanel: Double, _ times: KernelTimes
  ) -> Double {
    let runs = Double((depth + depthPerPanel - 1) / depthPerPanel)
    let vectors = Double(depth / 16)
    let blockRows = (rows / Double(times.dotRows)).rounded(.up)
    let blockColumns = (columns / Double(times.dotColumns)).rounded(.up)
    let perVector = rows * columns * times.dotProduct + blockRows * blockColumns * times.dotBlock
    let perRun = rows * columns * 0.2 + blockRows * blockColumns * 2
    let rest = depth % 16 == 0 ? 0 : perVector + blockRows * blockColumns * 12
    let panels = (list / listPerPanel).rounded(.up) * runs
    let perPanel = rows * columns * 0.8 + blockRows * blockColumns * 4 + 40
    return list * (vectors * perVector + runs * perRun + rest) + panels * perPanel
  }
}
