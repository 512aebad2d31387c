import Testing

/// `contract` between numpy's own files: what numpy wrote is read, and what is written numpy reads
/// and agrees with.
@Suite(
  .enabled(
    if: Python.hasNumpy,
    "'\(Python.interpreter)' cannot import numpy: install it, or set CONVOY_PYTHON to one that can."
  ))
struct NumpyTests {
  struct Case: Sendable {
    var expression: String
    var options: [String] = []
    /// In Python: numpy's answer from the operands `x`.
    var answer: String
    var shapes: [[Int]]
  }

  static let cases = [
    Case(expression: "ij,jk->ik", answer: "x[0] @ x[1]", shapes: [[17, 23], [23, 19]]),
    Case(
      expression: "bij,bjk->bki", answer: "np.einsum('bij,bjk->bki', *x)",
      shapes: [[3, 4, 5], [3, 5, 6]]),
    Case(
      expression: "...ij,jk->...ik", answer: "x[0] @ x[1]", shapes: [[2, 3, 4, 5], [5, 6]]),
    Case(expression: "iij->j", answer: "np.einsum('iij->j', *x)", shapes: [[6, 6, 5]]),
    Case(
      expression: "ab,bc,cd,da->", answer: "np.einsum('ab,bc,cd,da->', *x)",
      shapes: [[3, 4], [4, 5], [5, 6], [6, 3]]),
    Case(expression: "h,h|h", answer: "np.convolve(*x, 'same')", shapes: [[30], [7]]),
    Case(
      expression: "h,h|h", options: ["--conv", "h:padding=full"],
      answer: "np.convolve(*x, 'full')", shapes: [[30], [8]]),
    Case(
      expression: "h,h|h", options: ["--conv", "h:padding=valid,kind=correlation"],
      answer: "np.correlate(*x, 'valid')", shapes: [[30], [8]]),
  ]

  @Test(arguments: ["f4", "f8"], ["C", "F"])
  func numpyAgrees(element: String, order: String) throws {
    let folder = try TestFolder()
    let shapes = Self.cases.map { "\($0.shapes)" }.joined(separator: ", ")
    try Python.run(
      """
      import numpy as np
      random = np.random.default_rng(5)
      for i, shapes in enumerate([\(shapes)]):
          for j, shape in enumerate(shapes):
              x = random.uniform(-1, 1, shape).astype('\(element)')
              np.save(f'{i}-{j}.npy', np.asarray(x, order='\(order)'))
      """, in: folder)
    for (index, value) in Self.cases.enumerated() {
      let run = try Convoy.run(
        ["contract", value.expression] + value.shapes.indices.map { "\(index)-\($0).npy" }
          + ["--out", "\(index).npy"] + value.options,
        in: folder)
      #expect(run.code == 0, "\(value.expression): \(run.errors)")
      // Sums of up to 30 products of numbers below 1.
      let text = try Python.run(
        """
        import numpy as np
        x = [np.load(f'\(index)-{j}.npy') for j in range(\(value.shapes.count))]
        y = np.load('\(index).npy')
        x64 = [a.astype('f8') for a in x]
        answer = (lambda x: \(value.answer))(x64)
        assert y.dtype == np.dtype('\(element)'), y.dtype
        assert y.shape == answer.shape, y.shape
        assert y.flags.c_contiguous
        print(np.abs(y - answer).max() < (1e-5 if '\(element)' == 'f4' else 1e-13))
        """, in: folder)
      #expect(text == "True\n", "\(value.expression) \(value.options)")
    }
  }
}
