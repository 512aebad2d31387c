import Kernels

/// Work of whose outputs each element depends on the inputs' elements at the same index, or on single
/// numbers, only.
///
/// ```swift
/// try ElementwiseWork(part, inPlace: [0]) { range, inputs, outputs in … }
/// ```
struct ElementwiseWork: OperatorWork {
  /// Writes the outputs' elements in a range.
  typealias Loop = @Sendable (Range<Int>, [UnsafeRawPointer], [UnsafeMutableRawPointer]) -> Void

  let inPlace: [Int?]
  let nanoseconds: Double
  private let count: Int
  private let loop: Loop

  /// - Parameters:
  ///   - alike: How many of the inputs are of the outputs' shape, all if `nil`; they come first.
  ///   - computing: Nanoseconds that an element takes besides those of its bytes.
  /// - Throws: `ExecutionError.operatorPart`, if shapes differ.
  init(
    _ part: NodePart, alike: Int? = nil, inPlace: [Int?], computing: Double = 0,
    _ loop: @escaping Loop
  ) throws(ExecutionError) {
    let alike = part.inputs.prefix(alike ?? part.inputs.count)
    guard let shape = part.outputs.first?.shape,
      (alike + part.outputs).allSatisfy({ $0.shape == shape })
    else { throw part.misfit }
    count = part.outputs[0].count
    let bytes = (alike + part.outputs).reduce(0) { $0 + $1.value.type.bytes }
    nanoseconds = (nanosecondsPerByte * Double(bytes) + computing) * Double(count)
    self.inPlace = inPlace
    self.loop = loop
  }

  func run(
    _ inputs: [UnsafeRawPointer], _ outputs: [UnsafeMutableRawPointer],
    workspace: UnsafeMutableRawPointer
  ) {
    nonisolated(unsafe) let (inputs, outputs) = (inputs, outputs)
    ThreadPool.run(over: count, unit: 1024, nanoseconds: nanoseconds) { range in
      loop(range, inputs, outputs)
    }
  }
}
