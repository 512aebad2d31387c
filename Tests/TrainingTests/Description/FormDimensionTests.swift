import Planning
import Testing

@testable import Training

/// Forms of kernels of other than two dimensions, of groups, and hierarchical Tucker.
@Suite struct FormDimensionTests {
  @Test(arguments: [
    ("dense", 0, "ts"), ("dense", 1, "tsw"), ("dense", 3, "tsdhw"), ("cp", 0, "rt,rs"),
    ("cp", 1, "rt,rs,rw"), ("cp", 3, "rt,rs,rd,rh,rw"), ("tk", 0, "(r1)t,(r2)s,(r1)(r2)"),
    ("tk", 3, "(r1)t,(r2)s,(r1)(r2)dhw"), ("tt", 0, "(r1)t,(r1)s"),
    ("tt", 1, "(r1)t,(r1)(r2)w,(r2)s"), ("tr", 0, "(r0)(r1)t,(r1)(r0)s"),
    ("tr", 3, "(r0)(r1)t,(r1)(r2)d,(r2)(r3)h,(r3)(r4)w,(r4)(r0)s"),
    ("bt", 1, "c(r1)t,c(r2)s,c(r1)(r2)w"), ("rcp", 0, "r(t1)(s1),r(t2)(s2),r(t3)(s3)"),
    ("rcp", 1, "r(t1)(s1),r(t2)(s2),r(t3)(s3),rw"),
    ("rtk", 0, "(r1)(t1)(s1),(r2)(t2)(s2),(r3)(t3)(s3),(r1)(r2)(r3)"),
    ("rtt", 0, "(r1)(t1)(s1),(r1)(r2)(t2)(s2),(r2)(t3)(s3)"),
    ("rtr", 0, "(r0)(r1)(t1)(s1),(r1)(r2)(t2)(s2),(r2)(r0)(t3)(s3)"),
    ("rtr", 3, "(r0)(r1)(t1)(s1),(r1)(r2)(t2)(s2),(r2)(r3)(t3)(s3),(r3)(r0)dhw"),
    ("ht", 0, "(r1)t,(r2)s,(r1)(r2)"), ("ht", 1, "(r1)t,(r2)s,(r3)w,(r1)(r2)(r4),(r4)(r3)"),
    ("ht", 2, "(r1)t,(r2)s,(r3)h,(r4)w,(r1)(r2)(r5),(r3)(r4)(r6),(r5)(r6)"),
    (
      "ht", 3,
      "(r1)t,(r2)s,(r3)d,(r4)h,(r5)w,(r1)(r2)(r6),(r4)(r5)(r7),(r3)(r7)(r8),(r6)(r8)"
    ),
  ])
  func factorsAreWrittenSo(name: String, dimensions: Int, factors: String) throws {
    let form = try Form.named(name, dimensions: dimensions)
    #expect(form.description == factors)
    let parsed = try ConvEinsum(form.expression)
    #expect(parsed.operands.dropFirst().map(\.modes) == form.factors)
    #expect(parsed.convolutionModes == Form.spaceModes(dimensions))
  }

  /// The product of a form's factors has the shape of the dense kernel, its channels as they are
  /// numbered: no mode is missing, and none is left over.
  @Test(arguments: 0...3) func theProductOfTheFactorsIsAKernel(dimensions: Int) throws {
    let kernel = KernelShape(
      inputChannels: 12, outputChannels: 24, extents: Array([2, 3, 5].suffix(dimensions)))
    for form in Form.all(dimensions: dimensions) {
      let modes = form.outputModes + form.inputModes + form.spaceModes
      let expression =
        form.description + "->" + modes.map(\.description).joined()
      let bound = try BoundExpression(
        expression, shapes: form.factorShapes(kernel, rank: 2))
      #expect(bound.outputShape.reduce(1, *) == kernel.count, "\(form.name)")
      #expect(
        bound.outputShape
          == form.outputExtents(kernel) + form.inputExtents(kernel) + kernel.extents)
    }
  }

  /// Element by element the factors of `dimensions` and those of a kernel with one extent of 1 are
  /// as many, but for the factors of that extent.
  @Test func aVolumeOfDepthOneCostsItsDepthAlone() throws {
    let flat = KernelShape(inputChannels: 16, outputChannels: 32, extents: [3, 3])
    let deep = KernelShape(inputChannels: 16, outputChannels: 32, extents: [1, 3, 3])
    for (name, more) in [
      ("dense", 0.0), ("cp", 4), ("tk", 0), ("tt", 16), ("tr", 16), ("bt", 0), ("rcp", 0),
      ("rtk", 0), ("rtt", 0), ("rtr", 0), ("ht", 4 + 64),
    ] {
      let flatCount = try Form.named(name, dimensions: 2).parameterCount(flat, rank: 4)
      let deepCount = try Form.named(name, dimensions: 3).parameterCount(deep, rank: 4)
      #expect(deepCount - flatCount == more, "\(name)")
    }
  }

  /// r(S + T + Kh + Kw) + 2r³ + r².
  @Test func hierarchicalTuckerHasAPolynomialOfItsOwn() {
    let kernel = KernelShape(inputChannels: 32, outputChannels: 64, height: 3, width: 5)
    for rank in [1, 2, 7] {
      let expected = rank * (32 + 64 + 3 + 5) + 2 * rank * rank * rank + rank * rank
      #expect(Form.hierarchicalTucker.parameterCount(kernel, rank: rank) == Double(expected))
    }
    let rank = Form.hierarchicalTucker.rank(of: kernel, compression: 0.1)
    let budget = 0.1 * 32 * 64 * 15
    #expect(Form.hierarchicalTucker.parameterCount(kernel, rank: rank) <= budget)
    #expect(Form.hierarchicalTucker.parameterCount(kernel, rank: rank + 1) > budget)
  }

  @Test func groupsHaveFactorsOfTheirOwn() throws {
    let form = Form.cp.grouped(4)
    #expect(form.description == "grt,grs,grh,grw")
    #expect(form.expression == "bhwgs,grt,grs,grh,grw->bhwgt|hw")
    let part = KernelShape(inputChannels: 8, outputChannels: 16, height: 3, width: 3)
    #expect(form.factorShapes(part, rank: 2) == [[4, 2, 16], [4, 2, 8], [4, 2, 3], [4, 2, 3]])
    // As much of all groups as of one.
    #expect(
      form.rank(of: part, compression: 0.3) == Form.cp.rank(of: part, compression: 0.3))
    #expect(
      form.standardDeviations(part, rank: 2, gain: 2)
        == Form.cp.standardDeviations(part, rank: 2, gain: 2))
    #expect(Form.cp.grouped(1) == Form.cp)
    #expect(Form.cp.groups == 1 && form.groups == 4)
  }

  /// Zhang and others, section 3: L partitions of M channels: L·M²·K + M·L² parameters.
  @Test func interleavedGroupsAreTwoGroupedConvolutions() {
    let (l, m) = (4, 6)
    let kernel = KernelShape(inputChannels: l * m, outputChannels: l * m, height: 3, width: 3)
    let form = Form.interleaved(groups: l, kernel)
    #expect(form.expression == "bhwlm,lnmhw,nkl->bhwkn|hw")
    #expect(form.factorShapes(kernel, rank: 1) == [[l, m, m, 3, 3], [m, l, l]])
    #expect(form.parameterCount(kernel, rank: 1) == Double(l * m * m * 9 + m * l * l))
    let wider = KernelShape(inputChannels: 12, outputChannels: 24, height: 3, width: 3)
    #expect(
      Form.interleaved(groups: 3, wider).factorShapes(wider, rank: 1)
        == [[3, 8, 4, 3, 3], [8, 3, 3]])
  }

  /// Variances multiply to the gain over the number of products that an output sums.
  @Test(arguments: 0...3) func initialVariancesMultiplyToTheGain(dimensions: Int) throws {
    let kernel = KernelShape(
      inputChannels: 16, outputChannels: 24, extents: Array([2, 3, 3].suffix(dimensions)))
    for form in Form.all(dimensions: dimensions) {
      let rank = form.hasRank ? 3 : 1
      let ranks = Set(form.factors.joined()).filter {
        form.role($0) == .rank || form.role($0) == .fixed
      }
      let terms = ranks.reduce(1.0) { $0 * Double(form.fixedExtents[$1] ?? rank) }
      let product = form.standardDeviations(kernel, rank: rank, gain: 2)
        .reduce(1.0) { $0 * $1 * $1 }
      let expected = 2 / (Double(kernel.fanIn) * terms)
      #expect(abs(product / expected - 1) < 1e-9, "\(form.name)")
    }
  }
}
