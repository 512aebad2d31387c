import TestSupport
import Testing

@testable import Kernels

/// Kernels that add to what is there.
@Suite struct AddingTests {
  @Test(arguments: 0..<(testsAreLong ? 20 : 10))
  func randomNestsAreAddedToTheDestination(seed: Int) {
    var generator = Generator(seed: UInt64(1000 + seed))
    for _ in 0..<50 {
      let nest = ContractionNest.random(using: &generator)
      guard nest.loops.reduce(1, *) < 200_000 else { continue }
      for role in ContractionNest.Role.allCases {
        func numbers(_ count: Int) -> [Double] {
          (0..<count).map { _ in Double(Int.random(in: -8...8, using: &generator)) }
        }
        let p = numbers(nest.count(role.sources.0))
        let q = numbers(nest.count(role.sources.1))
        let before = numbers(nest.count(role))
        let expected = zip(before, nest.evaluateByDefinition(writing: role, p, q)).map(+)
        for context in Context.tested {
          let lowered = LoweredNest(nest, writing: role, context: context)
          var output = Tensor(shape: [before.count], elements: before)
          var workspace = Tensor<Double>(
            shape: [lowered.workspaceCount],
            elements: Array(repeating: .nan, count: lowered.workspaceCount))
          output.withMutablePointer { output in
            workspace.withMutablePointer { workspace in
              Tensor(shape: [p.count], elements: p).withPointer { p in
                Tensor(shape: [q.count], elements: q).withPointer { q in
                  lowered.run(into: output, p, q, workspace: workspace, adding: true)
                }
              }
            }
          }
          #expect(output.elements == expected, "\(context), \(role) of \(nest)")
        }
      }
    }
  }

  /// Strided boxes of up to four dimensions within larger tensors, nothing around them touched.
  @Test func stridedAdditionTouchesItsElementsOnly() {
    var generator = Generator(seed: 7)
    for _ in 0..<300 {
      let rank = Int.random(in: 0...4, using: &generator)
      let extents = (0..<rank).map { _ in Int.random(in: 0...5, using: &generator) }
      func strides() -> [Int] {
        var stride = Int.random(in: 1...2, using: &generator)
        return extents.reversed().map { extent in
          defer { stride *= extent + Int.random(in: 0...1, using: &generator) }
          return stride
        }.reversed()
      }
      let (toStrides, fromStrides) = (strides(), strides())
      var to = (0..<5000).map { Float($0 % 17) }
      let from = (0..<5000).map { Float($0 % 13) }
      var expected = to
      let indices = extents.reduce([[]]) { indices, extent in
        indices.flatMap { index in (0..<extent).map { index + [$0] } }
      }
      for index in indices {
        let at = zip(index, toStrides).reduce(0) { $0 + $1.0 * $1.1 }
        expected[at] += from[zip(index, fromStrides).reduce(0) { $0 + $1.0 * $1.1 }]
      }
      to.withUnsafeMutableBufferPointer { to in
        from.withUnsafeBufferPointer { from in
          guard let to = to.baseAddress, let from = from.baseAddress else { return }
          Float.add(extents: extents, to: to, toStrides, from: from, fromStrides)
        }
      }
      #expect(to == expected, "\(extents) \(toStrides) \(fromStrides)")
    }
  }
}
