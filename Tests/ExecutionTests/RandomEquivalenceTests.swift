import Execution
import Kernels
import Planning
import TestSupport
import Testing

/// Pairs of expressions that mean the same, evaluated on the same random data.
@Suite struct RandomEquivalenceTests {
  struct Equivalence: Sendable, CustomTestStringConvertible {
    let first: String
    let second: String
    let shapes: [[Int]]
    /// The operands of `first` that `second` takes, in its order; all of them by default.
    var order: [Int]?
    /// Shapes in which `second` takes them, where they differ.
    var reshaped: [[Int]]?
    var firstOptions: [String] = []
    var secondOptions: [String] = []

    var testDescription: String { "\(first) \(firstOptions) ≡ \(second) \(secondOptions)" }
  }

  static let notation = [
    Equivalence(first: "ij,jk->ik", second: "ij,jk", shapes: [[2, 3], [3, 4]]),
    Equivalence(first: "ij,jk->ik", second: " i j , j k -> i k ", shapes: [[2, 3], [3, 4]]),
    Equivalence(first: "ij,jk->ik", second: "(i)(j),(j)(k)->(i)(k)", shapes: [[2, 3], [3, 4]]),
    Equivalence(
      first: "ab,bc->ac", second: "(row)(s1),(s1)(r2)->(row)(r2)", shapes: [[2, 3], [3, 4]]),
    Equivalence(
      first: "bshw,tshw->bthw|hw", second: "bshw,tshw->bthw|h,w",
      shapes: [[2, 3, 5, 4], [2, 3, 3, 2]]),
    Equivalence(
      first: "bshw,tshw->bthw|hw", second: "bs(h1)(w1),ts(h1)(w1)->bt(h1)(w1)|(h1)(w1)",
      shapes: [[2, 3, 5, 4], [2, 3, 3, 2]]),
    Equivalence(
      first: "xs,xt->stx|x", second: "xs,xt|x", shapes: [[5, 2], [2, 3]]),
    Equivalence(
      first: "...ij,...jk->...ik", second: "bij,bjk->bik", shapes: [[4, 2, 3], [4, 3, 2]]),
    Equivalence(
      first: "...ij,jk->...ik", second: "abij,jk->abik", shapes: [[4, 2, 2, 3], [3, 2]]),
    Equivalence(
      first: "...i,...i->...", second: "ai,bi->ab", shapes: [[3, 1, 2], [1, 4, 2]],
      reshaped: [[3, 2], [4, 2]]),
  ]

  static let contraction = [
    Equivalence(
      first: "ij,jk->ik", second: "jk,ij->ik", shapes: [[2, 3], [3, 4]], order: [1, 0]),
    Equivalence(
      first: "ij,jk,kl->il", second: "kl,ij,jk->il", shapes: [[2, 3], [3, 4], [4, 2]],
      order: [2, 0, 1]),
    Equivalence(
      first: ",ij->ji", second: "a,ij->ji", shapes: [[], [2, 3]], reshaped: [[1], [2, 3]]),
    Equivalence(
      first: "ai,aj,ak->ijk", second: "ak,ai,aj->ijk", shapes: [[5, 2], [5, 3], [5, 4]],
      order: [2, 0, 1]),
  ]

  static let convolution = [
    // With a filter of one tap nothing is convolved.
    Equivalence(
      first: "bshw,tshw->bthw|hw", second: "bshw,ts->bthw", shapes: [[2, 3, 4, 5], [2, 3, 1, 1]],
      reshaped: [[2, 3, 4, 5], [2, 3]]),
    // Full convolution commutes and associates, whichever operand is the feature.
    Equivalence(
      first: "ax,bx,cx->abcx|x", second: "cx,ax,bx->abcx|x", shapes: [[2, 3], [2, 7], [3, 4]],
      order: [2, 0, 1], firstOptions: ["x:padding=full"],
      secondOptions: ["x:padding=full,feature=0"]),
    // So does circular convolution of equal extents.
    Equivalence(
      first: "ax,bx,x->abx|x", second: "x,ax,bx->abx|x", shapes: [[2, 5], [3, 5], [5]],
      order: [2, 0, 1], firstOptions: ["x:boundary=circular"],
      secondOptions: ["x:boundary=circular"]),
    // Filters may change places under any rule.
    Equivalence(
      first: "ax,bx,cx->abcx|x", second: "cx,ax,bx->abcx|x", shapes: [[2, 9], [2, 3], [3, 2]],
      order: [2, 0, 1],
      firstOptions: ["x:stride=2,dilation=2,kind=correlation,padding=3:1"],
      secondOptions: ["*:stride=2,dilation=2,kind=correlation", "x:padding=3:1"]),
    // Everything meets everything: the sum of a full convolution is the product of the sums.
    Equivalence(
      first: "x,x,x->|x", second: "x,y,z->", shapes: [[6], [3], [2]],
      firstOptions: ["x:padding=full"]),
    Equivalence(
      first: "x,x->|x", second: "x,y->", shapes: [[6], [4]], firstOptions: ["x:boundary=circular"]),
    // The words and the numbers.
    Equivalence(
      first: "x,x->x|x", second: "x,x->x|x", shapes: [[6], [4]],
      firstOptions: ["x:padding=same"], secondOptions: ["x:padding=2:1"]),
    Equivalence(
      first: "x,x->x|x", second: "x,x->x|x", shapes: [[6], [4]],
      firstOptions: ["x:padding=same,kind=correlation"],
      secondOptions: ["x:padding=1:2,kind=correlation"]),
    Equivalence(
      first: "x,x->x|x", second: "x,x->x|x", shapes: [[6], [4]],
      firstOptions: ["x:padding=full"], secondOptions: ["x:padding=3:3"]),
    Equivalence(
      first: "x,x->x|x", second: "x,x->x|x", shapes: [[6], [4]],
      firstOptions: ["x:boundary=circular,kind=correlation"],
      secondOptions: ["x:boundary=circular,padding=0:3,kind=correlation"]),
    // Without padding nothing is read beyond the boundary, whichever it is.
    Equivalence(
      first: "bx,x->bx|x", second: "bx,x->bx|x", shapes: [[2, 7], [3]],
      firstOptions: ["x:padding=valid,dilation=2"],
      secondOptions: ["x:padding=valid,dilation=2,boundary=circular"]),
    // Depthwise convolution is a grouped one with one channel in each group.
    Equivalence(
      first: "bshw,shw->bshw|hw", second: "bsihw,sihw->bshw|hw",
      shapes: [[2, 3, 5, 4], [3, 3, 2]],
      reshaped: [[2, 3, 1, 5, 4], [3, 1, 3, 2]]),
  ]

  @Test(arguments: notation + contraction + convolution, Context.paths)
  func equivalentExpressionsGiveEqualResults(
    _ pair: Equivalence, context: Context
  ) throws {
    let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(pair.shapes, seed: 4)
    let order = pair.order ?? Array(operands.indices)
    let others = zip(order, pair.reshaped ?? order.map { pair.shapes[$0] })
      .map { operands[$0].reshaped($1) }
    let first = try contract(
      pair.first, operands, rules: ConvRules(options: pair.firstOptions), context: context)
    let second = try contract(
      pair.second, others, rules: ConvRules(options: pair.secondOptions), context: context)
    #expect(mismatch(first, second) == nil)
  }

  // MARK: Equal to several expressions, or to other data

  private func integers(_ shape: [Int], _ operand: Int) -> Tensor<Double> {
    TensorData.smallIntegers.tensor(shape, seed: 6, operand: operand)
  }

  private let correlation = ConvRules(all: ConvRule(kind: .correlation))

  /// A diagonal is what the identity picks.
  @Test(arguments: Context.paths) func diagonalsAreContractionsWithTheIdentity(context: Context)
    throws
  {
    let x = integers([3, 2, 3], 0)
    let identity = Tensor<Double>(shape: [3, 3], elements: [1, 0, 0, 0, 1, 0, 0, 0, 1])
    #expect(
      mismatch(
        try contract("iji->ji", x, context: context),
        try contract("ijk,ik->ji", x, identity, context: context)) == nil)
    #expect(
      mismatch(
        try contract("iji->j", x, context: context),
        try contract("ijk,ik->j", x, identity, context: context)) == nil)
  }

  /// A factorised layer is the dense layer whose kernel the factors make up.
  @Test(
    arguments: [
      "rt,rs,rh,rw", "at,bs,abhw", "at,abh,bcw,cs", "oat,abh,bcw,cos", "cat,cbs,cabhw",
    ], Context.paths)
  func factorisedLayersAreDenseLayersOfTheirKernel(factors: String, context: Context) throws {
    let extents: [Character: Int] = [
      "t": 3, "s": 2, "h": 3, "w": 2, "r": 4, "a": 2, "b": 3, "c": 2, "o": 2,
    ]
    let weights = factors.split(separator: ",").enumerated().map { number, term in
      integers(term.map { extents[$0] ?? 1 }, 1 + number)
    }
    let x = integers([2, 2, 6, 5], 0)
    let kernel = try contract("\(factors)->tshw", weights, context: context)
    let layer = try contract(
      "zshw,\(factors)->zthw|hw", [x] + weights, rules: correlation, context: context)
    let dense = try contract("zshw,tshw->zthw|hw", x, kernel, rules: correlation, context: context)
    #expect(mismatch(layer, dense) == nil)
  }

  /// Filters applied one after the other, without padding, are applied at once.
  @Test(arguments: Context.paths) func validConvolutionsCompose(context: Context) throws {
    let (x, v, w) = (integers([2, 9], 0), integers([3], 1), integers([2], 2))
    let rules = ConvRules(all: ConvRule(padding: .valid))
    let once = try contract("bx,x,x->bx|x", x, v, w, rules: rules, context: context)
    let twice = try contract(
      "bx,x->bx|x", contract("bx,x->bx|x", x, v, rules: rules, context: context), w, rules: rules,
      context: context)
    #expect(mismatch(once, twice) == nil)
  }

  /// A stride leaves results out; padding puts zeros around the feature.
  @Test(arguments: Context.paths) func strideAndPaddingAreConvolutionsWithoutFilter(
    context: Context
  ) throws {
    let (x, w) = (integers([2, 9], 0), integers([3], 1))
    func apply(_ text: String, _ operands: [Tensor<Double>], _ option: String) throws
      -> Tensor<Double>
    {
      try contract(text, operands, rules: ConvRules(options: ["x:" + option]), context: context)
    }
    let direct = try apply("bx,x->bx|x", [x, w], "stride=2,padding=2:1,kind=correlation")
    let padded = try apply("bx->bx|x", [x], "padding=2:1")
    let convolved = try apply("bx,x->bx|x", [padded, w], "padding=valid,kind=correlation")
    let strided = try apply("bx->bx|x", [convolved], "stride=2")
    #expect(direct.shape == [2, 5])
    #expect(mismatch(direct, strided) == nil)
  }

  /// Dilation puts zeros between taps; correlation turns the filter round.
  @Test(arguments: Context.paths) func dilationAndKindAreOtherFilters(context: Context) throws {
    let (x, w) = (integers([2, 9], 0), integers([3], 1))
    let taps = w.elements
    func apply(_ filter: [Double], _ rule: ConvRule) throws -> Tensor<Double> {
      let filter = Tensor(shape: [filter.count], elements: filter)
      return try contract("bx,x->bx|x", x, filter, rules: ConvRules(all: rule), context: context)
    }
    let spread = [taps[0], 0, taps[1], 0, taps[2]]
    let dilated = try apply(taps, ConvRule(dilation: 2))
    #expect(mismatch(dilated, try apply(spread, ConvRule())) == nil)
    let padding = ConvRule.Padding.explicit(low: 2, high: 1)
    let turned = try apply(taps.reversed(), ConvRule(padding: padding, kind: .correlation))
    #expect(mismatch(turned, try apply(taps, ConvRule(padding: padding))) == nil)
  }

  /// A NaN reaches exactly those results that its element is part of.
  @Test(arguments: Context.paths) func notANumberGoesWhereItsElementGoes(context: Context) throws {
    var x = integers([7], 0)
    x[3] = .nan
    let result = try contract("x,x->x|x", x, integers([3], 1), rules: correlation, context: context)
    #expect(result.elements.map(\.isNaN) == [false, false, true, true, true, false, false])
  }
}
