import Graph
import Kernels
import Partitioning

/// Work that puts elements of inputs into other places; where none goes there are zeros. Elements are of any
/// type, for it is their bits that are copied.
///
/// ```swift
/// // y[i, j] = x[j, i + 2]
/// try CopyWork(part, [CopyWork.Source(input: 0, axes: [1, 0], offsets: [2, 0])])
/// ```
struct CopyWork: OperatorWork {
  /// Which elements an input gives, by indices of the whole values: along the output's dimension d it is read
  /// along its `axes[d]`, `offsets[d]` further than what is written.
  struct Source {
    let input: Int
    let axes: [Int]
    let offsets: [Int]

    init(input: Int, axes: [Int], offsets: [Int]) {
      self.input = input
      self.axes = axes
      self.offsets = offsets
    }

    /// Along one axis, the indices move.
    init(input: Int, dimensions: Int, axis: Int, offset: Int) {
      let axes = Array(0..<dimensions)
      self.init(input: input, axes: axes, offsets: axes.map { $0 == axis ? offset : 0 })
    }
  }

  let nanoseconds: Double
  let inPlace: [Int?]
  private let elementBytes: Int
  private let bytes: Int
  private let pieces: [(input: Int, piece: StridedPiece)]
  private let hasZeros: Bool

  /// - Throws: `ExecutionError.operatorPart`, if dimensions or types do not fit.
  init(_ part: NodePart, _ sources: [Source]) throws(ExecutionError) {
    let output = part.outputs[0]
    var pieces: [(input: Int, piece: StridedPiece)] = []
    for source in sources {
      guard part.inputs.indices.contains(source.input) else { throw part.misfit }
      let input = part.inputs[source.input]
      guard source.axes.count == output.shape.count, source.offsets.count == output.shape.count,
        source.axes.sorted() == Array(input.shape.indices), input.value.type == output.value.type
      else { throw part.misfit }
      pieces.append((source.input, Self.piece(source, from: input.box, to: output.box)))
    }
    self.init(part, pieces)
  }

  /// Elements in the same order, of equal numbers.
  init(sameOrder part: NodePart) throws(ExecutionError) {
    let (input, output) = (part.inputs[0], part.outputs[0])
    guard input.count == output.count, input.value.type == output.value.type else {
      throw part.misfit
    }
    self.init(part, [(0, StridedPiece([input.count], from: (0, [1]), to: (0, [1])))])
  }

  private init(_ part: NodePart, _ pieces: [(input: Int, piece: StridedPiece)]) {
    let output = part.outputs[0]
    let pieces = pieces.filter { $0.piece.count > 0 }
    self.pieces = pieces
    elementBytes = output.value.type.bytes
    bytes = output.bytes
    let hasZeros = pieces.reduce(0) { $0 + $1.piece.count } < output.count
    self.hasZeros = hasZeros
    // Of a single piece that is all of the output: the input, if the piece is all of that too.
    let isUnmoved = pieces.map { input, piece in
      !hasZeros && part.inputs[input].count == output.count && piece.extents.count <= 1
        && piece.fromStrides == piece.toStrides
    }
    inPlace = [isUnmoved == [true] ? pieces[0].input : nil]
    // Elements that do not lie side by side in both take longer.
    let isTransposed = pieces.contains { $1.fromStrides.last != 1 || $1.toStrides.last != 1 }
    nanoseconds = (isTransposed ? 4 : 2) * nanosecondsPerByte * Double(bytes)
  }

  /// What of an input's box goes into the output's.
  private static func piece(_ source: Source, from: Box, to: Box) -> StridedPiece {
    let fromStrides = denseStrides(of: from.shape)
    let toStrides = denseStrides(of: to.shape)
    var (fromStart, toStart, shape) = (0, 0, [Int]())
    for (dimension, written) in to.ranges.enumerated() {
      let (axis, offset) = (source.axes[dimension], source.offsets[dimension])
      let read = from.ranges[axis]
      let given = (read.lowerBound - offset)..<(read.upperBound - offset)
      let range = written.clamped(to: given)
      fromStart += (range.lowerBound - given.lowerBound) * fromStrides[axis]
      toStart += (range.lowerBound - written.lowerBound) * toStrides[dimension]
      shape.append(range.count)
    }
    return StridedPiece(
      shape, from: (fromStart, source.axes.map { fromStrides[$0] }), to: (toStart, toStrides))
  }

  func run(
    _ inputs: [UnsafeRawPointer], _ outputs: [UnsafeMutableRawPointer],
    workspace: UnsafeMutableRawPointer
  ) {
    let output = outputs[0]
    if hasZeros { output.initializeMemory(as: UInt8.self, repeating: 0, count: bytes) }
    for (number, piece) in pieces {
      let input = inputs[number]
      if input == UnsafeRawPointer(output) && inPlace == [number] { continue }
      switch elementBytes {
      case 4: move(piece, Float.self, input, output)
      case 8: move(piece, Double.self, input, output)
      default: piece.copy(from: input.elements(UInt8.self), to: output.elements(UInt8.self))
      }
    }
  }

  private func move<Word: TensorElement>(
    _ piece: StridedPiece, _: Word.Type, _ input: UnsafeRawPointer,
    _ output: UnsafeMutableRawPointer
  ) {
    Word.move(
      extents: piece.extents, to: output.elements(Word.self, from: piece.to), piece.toStrides,
      from: input.elements(Word.self, from: piece.from), piece.fromStrides)
  }
}
