import Graph
import Kernels
import Partitioning

/// What one rank, or one tile of its samples, has of a node's inputs and outputs.
///
/// ```swift
/// let part = NodePart(
///   operation: node.operation,
///   inputs: [NodePart.Piece(value: graph[x], box: Box([4..<8, 0..<28]))],
///   outputs: [NodePart.Piece(value: graph[y], box: Box([4..<8, 0..<28]))])
/// ```
public struct NodePart: Hashable, Sendable {
  /// A box of a value: dense, row-major, of the value's element type.
  public struct Piece: Hashable, Sendable {
    /// The whole value.
    public let value: Value
    public let box: Box

    public init(value: Value, box: Box) {
      self.value = value
      self.box = box
    }

    public var shape: [Int] { box.shape }
    public var count: Int { box.count }
    public var bytes: Int { box.count * value.type.bytes }
  }

  public let operation: Operation
  public let inputs: [Piece]
  public let outputs: [Piece]

  public init(operation: Operation, inputs: [Piece], outputs: [Piece]) {
    self.operation = operation
    self.inputs = inputs
    self.outputs = outputs
  }
}

/// The work of a part of a node that is no contraction, made ready: it reads the inputs' boxes and
/// writes all of the outputs', as `Factor` says what belongs to a part. Of an output that a part
/// gives a term of, it writes that term.
///
/// Results depend on the part only, never on the number of threads.
protocol OperatorWork: Sendable {
  /// Scratch memory, from an address that is a multiple of 64.
  var workspaceBytes: Int { get }

  /// By output, an input whose memory the output may be given: it has the same size and type, and every
  /// element is read before it is written. `nil`: none.
  var inPlace: [Int?] { get }

  /// Rough nanoseconds on one thread, by shapes only.
  var nanoseconds: Double { get }

  func run(
    _ inputs: [UnsafeRawPointer], _ outputs: [UnsafeMutableRawPointer],
    workspace: UnsafeMutableRawPointer)
}

extension OperatorWork {
  var workspaceBytes: Int { 0 }
  var inPlace: [Int?] { [] }
}

/// An operator that can be run: what makes one more of them known to the engine is an extension that
/// conforms it to this.
///
/// ```swift
/// guard let operation = part.operation.base as? any RunnableOperator else { throw … }
/// let work = try operation.work(of: part, context)
/// ```
protocol RunnableOperator: Operator {
  /// - Throws: `ExecutionError`, where the part is one that the operator cannot be run on.
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork
}
