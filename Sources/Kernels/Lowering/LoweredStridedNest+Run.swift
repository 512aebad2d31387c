import CKernels

extension LoweredStridedNest {
  func run<Element: TensorElement>(
    into destination: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) {
    func source(_ given: UnsafePointer<Element>, _ pack: Pack?) -> UnsafePointer<Element> {
      guard let pack else { return given }
      Movement.move(
        extents: pack.extents, to: workspace + pack.offset, pack.packedStrides, from: given,
        pack.givenStrides)
      return UnsafePointer(workspace + pack.offset)
    }
    let d = packs[0].map { workspace + $0.offset } ?? destination
    // A destination in the workspace is made anew, and added to the given one when it is unpacked.
    let overwriting = overwrites && !(adding && packs[0] == nil)
    if isEmpty || !overwrites, !adding || packs[0] != nil {
      Movement.fillWithZeros(d, count: destinationCount)
    }
    if !isEmpty {
      var places = Places(low: 0, product: 0)
      if let low {
        Movement.fillWithZeros(workspace + low, count: destinationCount)
        places.low = Element.distance(from: d, to: workspace + low)
      }
      if let product { places.product = Element.distance(from: d, to: workspace + product) }
      walkParts(
        d, source(p, packs[1]), source(q, packs[2]), places, beta: overwriting ? 0 : 1)
      if let low { Element.settleAll(d, low: workspace + low, count: destinationCount) }
    }
    if let pack = packs[0] {
      Movement.move(
        adding: adding, extents: pack.extents, to: destination, pack.givenStrides,
        from: UnsafePointer(d), pack.packedStrides)
    }
  }

  /// How far from each element of the destination, in bytes, is what additions to it round off, and its part of a
  /// short product; 0: nowhere.
  fileprivate struct Places: Sendable {
    var low: Int
    var product: Int
  }

  /// Divided over threads by the outermost loop, where its indices write elements apart, or where all loops
  /// around a product are summed, by rows and columns of that.
  private func walkParts<Element: TensorElement>(
    _ d: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>, _ q: UnsafePointer<Element>,
    _ places: Places, beta: Element
  ) {
    nonisolated(unsafe) let (d, p, q) = (d, p, q)
    if case .strided(let count, let strides)? = levels.first, isDivisible(strides[0]) {
      return ThreadPool.run(over: count, nanoseconds: nanoseconds) { range in
        for index in range {
          let offset = strides &* index
          walk(
            1, d + offset[0], p + offset[1], q + offset[2], places, length: nil, beta: beta)
        }
      }
    }
    guard case .gemm(let gemm) = kernel, variable == .none || variable == .k,
      levels.allSatisfy({ $0.reach == 0 })
    else { return walk(0, d, p, q, places, length: nil, beta: beta) }
    let parts = gemm.parts(atMost: ThreadPool.parts(nanoseconds: nanoseconds))
    ThreadPool.run(count: parts.rows * parts.columns) { index in
      let rows = gemm.range(index / parts.columns, of: parts.rows, in: gemm.m)
      let columns = gemm.range(index % parts.columns, of: parts.columns, in: gemm.n)
      let start = gemm.offset(rows: rows.lowerBound, columns: columns.lowerBound)
      var part = self
      part.kernel = .gemm(gemm.part(rows: rows.count, columns: columns.count))
      part.walk(
        0, d + start[0], p + start[1], q + start[2], places, length: nil, beta: beta)
    }
  }

  /// Whether the indices of the outermost loop write elements apart: its step in the destination is
  /// longer than all that the loops within reach. (Of a clipped loop the kernel walks at most its whole extent.)
  private func isDivisible(_ step: Int) -> Bool {
    var reach = levels.dropFirst().reduce(0) { $0 + $1.reach }
    switch kernel {
    case .gemm(let gemm): reach += (gemm.m - 1) * gemm.leading[0] + gemm.n - 1
    case .multiplyAdd(let outer, let inner, let outerStrides, let innerStrides):
      reach += (outer - 1) * abs(outerStrides[0]) + (inner - 1) * abs(innerStrides[0])
    }
    return abs(step) > reach
  }

  private func walk<Element: TensorElement>(
    _ depth: Int, _ d: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, _ places: Places, length: Int?, beta: Element
  ) {
    guard depth < levels.count else { return call(d, p, q, places, length: length, beta: beta) }
    func inner(_ offset: Strides, _ length: Int?) {
      walk(
        depth + 1, d + offset[0], p + offset[1], q + offset[2], places, length: length, beta: beta)
    }
    switch levels[depth] {
    case .strided(let count, let strides):
      for index in 0..<count { inner(strides &* index, length) }
    case .listed(let offsets):
      for offset in offsets { inner(offset, length) }
    case .clipped(let entries):
      for entry in entries { inner(entry.offset, entry.length) }
    }
  }

  private func call<Element: TensorElement>(
    _ d: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>, _ q: UnsafePointer<Element>,
    _ places: Places, length: Int?, beta: Element
  ) {
    func extent(_ planned: Int, _ this: InnerKernel.Variable) -> Int {
      variable == this ? length ?? planned : planned
    }
    switch kernel {
    case .gemm(let gemm):
      let (m, n, k) = (extent(gemm.m, .m), extent(gemm.n, .n), extent(gemm.k, .k))
      let (a, b) = gemm.exchanged ? (q, p) : (p, q)
      guard places.product != 0 else {
        return Element.gemm(
          m: m, n: n, k: k, a, pTransposed: gemm.pTransposed, pLeading: gemm.leading[1],
          b, qTransposed: gemm.qTransposed, qLeading: gemm.leading[2],
          beta: beta, d, dLeading: gemm.leading[0])
      }
      addRuns(gemm, (m, n, k), to: d, a, b, places)
    case .multiplyAdd(let outer, let inner, let outerStrides, let innerStrides):
      func strides(_ tensor: Int) -> ConvoyStrides {
        ConvoyStrides(outer: outerStrides[tensor], inner: innerStrides[tensor])
      }
      Element.multiplyAdd(
        outer: extent(outer, .outer), inner: extent(inner, .inner), d, strides(0), p, strides(1),
        q, strides(2), low: places.low)
    }
  }
}

extension LoweredStridedNest {
  /// A product as several of short runs of the sum, each a few of which are added up before they are added to the
  /// destination.
  private func addRuns<Element: TensorElement>(
    _ gemm: InnerKernel.Gemm, _ extents: (m: Int, n: Int, k: Int),
    to d: UnsafeMutablePointer<Element>, _ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>,
    _ places: Places
  ) {
    let product = (UnsafeMutableRawPointer(d) + places.product)
      .assumingMemoryBound(to: Element.self)
    let (run, aside) = (Int(CONVOY_RUN), Int(CONVOY_RUNS_ASIDE))
    let aStep = gemm.pTransposed ? gemm.leading[1] : 1
    let bStep = gemm.qTransposed ? 1 : gemm.leading[2]
    let rows = ConvoyStrides(outer: gemm.leading[0], inner: 1)
    var one: Element = 1
    for start in stride(from: 0, to: extents.k, by: run * aside) {
      let end = min(start + run * aside, extents.k)
      for k in stride(from: start, to: end, by: run) {
        Element.gemm(
          m: extents.m, n: extents.n, k: min(run, end - k), a + k * aStep,
          pTransposed: gemm.pTransposed, pLeading: gemm.leading[1], b + k * bStep,
          qTransposed: gemm.qTransposed, qLeading: gemm.leading[2], beta: k == start ? 0 : 1,
          product, dLeading: gemm.leading[0])
      }
      Element.multiplyAdd(
        outer: extents.m, inner: extents.n, d, rows, product, rows, &one,
        ConvoyStrides(outer: 0, inner: 0), low: places.low)
    }
  }
}

extension LoweredStridedNest.Level {
  /// Elements of the destination from the first to the last that it starts at.
  fileprivate var reach: Int {
    func span(_ offsets: [Int]) -> Int { (offsets.max() ?? 0) - (offsets.min() ?? 0) }
    switch self {
    case .strided(let count, let strides): return (count - 1) * abs(strides[0])
    case .listed(let offsets): return span(offsets.map { $0[0] })
    case .clipped(let entries): return span(entries.map { $0.offset[0] })
    }
  }
}
