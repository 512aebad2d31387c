/// The innermost work of a lowered nest: a GEMM, or a multiply-add over two loops.
enum InnerKernel: Sendable {
  /// d (m × n, row-major) += p (m × k) · q (k × n), each source stored plainly or transposed.
  case gemm(Gemm)
  /// d[i, j] += p[i, j]·q[i, j]; i is the outer and j the inner loop.
  case multiplyAdd(outer: Int, inner: Int, outerStrides: Strides, innerStrides: Strides)

  struct Gemm: Sendable {
    var m: Int
    var n: Int
    var k: Int
    /// The row-major roles of the sources are exchanged: d's rows come from the second source.
    var exchanged: Bool
    var pTransposed: Bool
    var qTransposed: Bool
    var leading: Strides

    /// Into how many parts of rows and of columns threads divide the product.
    ///
    /// OpenBLAS packs both sources of each part, elements that grow with 1/rows + 1/columns of it per multiply-add:
    /// 32 parts of 64 rows of 2048³ had 0.8 to 0.85 times the rate of the whole. So the longer extent is halved
    /// while that sum is at most 1/200, and once, for a second thread, whatever it is.
    ///
    /// - Parameter limit: of parts together.
    func parts(atMost limit: Int) -> (rows: Int, columns: Int) {
      var parts = (rows: 1, columns: 1)
      while 2 * parts.rows * parts.columns <= limit {
        var next = parts
        let (rows, columns) = (m / parts.rows, n / parts.columns)
        if rows >= columns { next.rows *= 2 } else { next.columns *= 2 }
        guard max(rows, columns) >= 2 * Self.partUnit else { break }
        let packed = Double(next.rows) / Double(m) + Double(next.columns) / Double(n)
        guard packed <= 1 / 200 || parts == (1, 1) else { break }
        parts = next
      }
      return parts
    }

    /// Of rows or columns, so that parts are whole blocks of OpenBLAS's kernels.
    private static let partUnit = 32

    /// One of so many parts of rows or columns, a multiple of 32 but for the last.
    func range(_ part: Int, of parts: Int, in extent: Int) -> Range<Int> {
      let units = (extent + Self.partUnit - 1) / Self.partUnit
      func start(_ part: Int) -> Int { min(extent, part * units / parts * Self.partUnit) }
      return start(part)..<start(part + 1)
    }

    /// The product of as many rows and columns of the destination.
    func part(rows: Int, columns: Int) -> Gemm {
      var part = self
      (part.m, part.n) = (rows, columns)
      return part
    }

    /// Where such a part starts in the destination and the two sources.
    func offset(rows: Int, columns: Int) -> Strides {
      let first = rows * (pTransposed ? 1 : leading[1])
      let second = columns * (qTransposed ? leading[2] : 1)
      return Strides(
        rows * leading[0] + columns, exchanged ? second : first, exchanged ? first : second)
    }
  }

  /// Which extent of the kernel a guarded dimension's segments replace.
  enum Variable: Sendable {
    case none, m, n, k, outer, inner
  }
}

/// A choice of kernel for a strided nest, with its estimated time.
struct KernelChoice {
  let kernel: InnerKernel
  let variable: InnerKernel.Variable
  /// The loops that the kernel itself walks.
  let loops: [Int]
  /// Estimated time of one call.
  let nanoseconds: Double
}

extension StridedNest {
  /// The best kernel of a context's path for this nest by the estimate of all its calls together.
  func bestKernel(
    _ context: Context, _ sums: SumLength
  ) -> (choice: KernelChoice, nanoseconds: Double) {
    var best: (choice: KernelChoice, nanoseconds: Double)?
    for choice in (context.path == .reference ? [] : gemmChoices(context.times, sums))
      + multiplyAddChoices()
    {
      let calls = loops.indices.reduce(1.0) {
        choice.loops.contains($1) ? $0 : $0 * Double(loops[$1].extent)
      }
      let taps = guarded.reduce(1.0) { $0 * Double(max($1.entries.count, 1)) }
      let total = calls * taps * choice.nanoseconds
      if total < best?.nanoseconds ?? .infinity { best = (choice, total) }
    }
    // multiplyAddChoices is never empty.
    return best ?? (multiplyAddChoices()[0], 0)
  }

  /// Every loop pair as outer and inner loops of a multiply-add, fewer where fewer exist.
  private func multiplyAddChoices() -> [KernelChoice] {
    let candidates: [Int?] = loops.indices.map { $0 } + [nil]
    var choices: [KernelChoice] = []
    for inner in candidates {
      for outer in candidates where outer == nil || outer != inner {
        // Segments can replace one extent only.
        let clipped = [outer, inner].compactMap { $0 }.filter { loops[$0].guarded != nil }
        guard clipped.count <= 1 else { continue }
        let innerExtent = inner.map { loops[$0].extent } ?? 1
        let outerExtent = outer.map { loops[$0].extent } ?? 1
        let innerStrides = inner.map { loops[$0].strides } ?? Strides(0, 0, 0)
        let unit = (0..<3).allSatisfy { innerStrides[$0] == 0 || innerStrides[$0] == 1 }
        let perElement = unit ? 0.15 : 0.8
        // A dot product pays for joining its partial sums.
        let perRow = innerStrides[0] == 0 ? 15.0 : 6.0
        choices.append(
          KernelChoice(
            kernel: .multiplyAdd(
              outer: outerExtent, inner: innerExtent,
              outerStrides: outer.map { loops[$0].strides } ?? .zero, innerStrides: innerStrides),
            variable: clipped.isEmpty ? .none : (clipped[0] == inner ? .inner : .outer),
            loops: [outer, inner].compactMap { $0 },
            nanoseconds: 8 + Double(outerExtent) * (perRow + Double(innerExtent) * perElement)))
      }
    }
    return choices
  }

  /// Every triple of loops that BLAS accepts as the m, n and k of a GEMM; a missing one has extent 1.
  private func gemmChoices(_ times: KernelTimes, _ sums: SumLength) -> [KernelChoice] {
    func candidates(_ destination: Bool, _ first: Bool, _ second: Bool) -> [Int?] {
      loops.indices.filter { loop in
        let strides = loops[loop].strides
        return (strides[0] > 0) == destination && (strides[1] > 0) == first
          && (strides[2] > 0) == second && strides.min() >= 0
          && loops[loop].extent <= Int(Int32.max)
      } + [nil]
    }
    let ms = candidates(true, true, false)
    let ns = candidates(true, false, true)
    let ks = candidates(false, true, true)
    var choices: [KernelChoice] = []
    for m in ms {
      for n in ns {
        for k in ks {
          let used = [m, n, k].compactMap { $0 }
          guard used.count >= 2, let choice = gemmChoice(m, n, k, used, times, sums) else {
            continue
          }
          choices.append(choice)
        }
      }
    }
    return choices
  }

  private func gemmChoice(
    _ m: Int?, _ n: Int?, _ k: Int?, _ used: [Int], _ times: KernelTimes,
    _ sums: SumLength
  ) -> KernelChoice? {
    let clipped = used.filter { loops[$0].guarded != nil }
    guard clipped.count <= 1 else { return nil }
    func extent(_ loop: Int?) -> Int { loop.map { loops[$0].extent } ?? 1 }
    func stride(_ loop: Int?, _ tensor: Int) -> Int { loop.map { loops[$0].strides[tensor] } ?? 0 }

    /// Whether rows × columns is plain (columns contiguous) or transposed (rows contiguous), and
    /// its leading dimension; `nil` if neither side is contiguous.
    func matrix(_ rows: Int?, _ columns: Int?, _ tensor: Int) -> (transposed: Bool, leading: Int)? {
      let row = stride(rows, tensor)
      let column = stride(columns, tensor)
      if columns == nil || column == 1 {
        // A matrix of one column with separated rows is contiguous along neither side, but BLAS
        // takes it with its row stride as the leading dimension.
        let leading = rows == nil ? max(extent(columns), 1) : row
        if leading >= extent(columns) && leading <= Int(Int32.max) { return (false, leading) }
      }
      if rows == nil || row == 1 {
        let leading = columns == nil ? max(extent(rows), 1) : column
        if leading >= extent(rows) && leading <= Int(Int32.max) { return (true, leading) }
      }
      return nil
    }

    guard let d = matrix(m, n, 0), let p = matrix(m, k, 1), let q = matrix(k, n, 2) else {
      return nil
    }
    // A transposed destination is the row-major product of the transposed sources, exchanged.
    let exchanged = d.transposed
    let gemm = InnerKernel.Gemm(
      m: extent(exchanged ? n : m), n: extent(exchanged ? m : n), k: extent(k),
      exchanged: exchanged,
      pTransposed: exchanged ? !q.transposed : p.transposed,
      qTransposed: exchanged ? !p.transposed : q.transposed,
      leading: exchanged
        ? Strides(d.leading, q.leading, p.leading) : Strides(d.leading, p.leading, q.leading))
    let variable: InnerKernel.Variable =
      switch clipped.first {
      case nil: .none
      case k: .k
      case m: exchanged ? .n : .m
      default: exchanged ? .m : .n
      }
    let (rows, columns, depth) = (Double(gemm.m), Double(gemm.n), Double(gemm.k))
    // Rows further apart than a page cost an address translation each.
    let pages = zip([p.leading, q.leading, d.leading], [p.transposed, q.transposed, d.transposed])
    let farRows = zip(pages, [(m, k), (k, n), (m, n)]).reduce(0.0) { sum, entry in
      let ((leading, transposed), (rows, columns)) = entry
      return leading > 1024 ? sum + Double(extent(transposed ? columns : rows)) : sum
    }
    let time =
      300
      + rows * columns * depth / times.libraryProducts * (sums.isLong ? 4 : 1)
      + times.librarySource * (rows * depth + depth * columns)
      + times.libraryResult * rows * columns + 4 * farRows
    return KernelChoice(
      kernel: .gemm(gemm), variable: variable, loops: used, nanoseconds: time)
  }
}

extension InnerKernel {
  /// Whether it is OpenBLAS's.
  var isGEMM: Bool { if case .gemm = self { true } else { false } }
}
