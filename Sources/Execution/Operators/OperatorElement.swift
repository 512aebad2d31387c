import CKernels
import Graph
import Kernels

/// The element types of what operators compute: `Float` and `Double`.
///
/// ```swift
/// func work<Element: OperatorElement>(_: Element.Type) -> any OperatorWork { … }
/// let work = work(try part.element(of: part.outputs[0]))
/// ```
protocol OperatorElement: TensorElement {
  static var loops: OperatorLoops<Self> { get }
}

/// Loops in C, each of which does much work, so that what calls them may be generic without losing speed
/// (see `Operators.h`).
struct OperatorLoops<Element>: Sendable {
  typealias Source = UnsafePointer<Element>
  typealias Destination = UnsafeMutablePointer<Element>

  let map: @Sendable (ConvoyFunction, Int, Source, Destination) -> Void
  let mapAdjoint: @Sendable (ConvoyFunction, Int, Source, Source, Destination) -> Void
  let add: @Sendable (Int, UnsafePointer<Source?>, Int, Int, Destination) -> Void
  let multiply: @Sendable (Int, Source, Source, Destination) -> Void
  let scale: @Sendable (Int, Element, Source, Destination) -> Void
  let along:
    @Sendable (ConvoyAlong, Int, Int, Source?, Source, Int, Int, Element, Destination) -> Void
  /// Rows, the step between them, columns.
  typealias Sums = @Sendable (Int, Int, Int, Source, UnsafeMutablePointer<Double>) -> Void
  let sumRows: Sums
  let sumEach: Sums
  let writeSums: @Sendable (Int, UnsafePointer<Double>, Double, Double, Destination) -> Void
  let dropout:
    @Sendable (UnsafePointer<ConvoyMask>, UInt64, Int, Element, Source, Destination) -> Void
  /// Count, rate, momentum, decay, whether it is Nesterov's; gradient, velocity, parameter.
  let momentumUpdate:
    @Sendable (
      Int, Element, Element, Element, Int32, Source, Destination, Destination
    ) -> Void
  /// Count, rate, β1, 1 − β1, β2, 1 − β2, √(1 − β2^t), ε, decay; gradient, mean, variance, parameter.
  let adamUpdate:
    @Sendable (
      Int, Element, Element, Element, Element, Element, Element, Element, Element, Source,
      Destination, Destination, Destination
    ) -> Void
}

extension Float: OperatorElement {
  static let loops = OperatorLoops<Float>(
    map: convoy_map_f32, mapAdjoint: convoy_map_adjoint_f32, add: convoy_add_all_f32,
    multiply: convoy_multiply_f32, scale: convoy_scale_f32, along: convoy_along_f32,
    sumRows: convoy_sum_rows_f32, sumEach: convoy_sum_each_f32, writeSums: convoy_sums_f32,
    dropout: convoy_dropout_f32, momentumUpdate: convoy_sgd, adamUpdate: convoy_adam)
}

extension Double: OperatorElement {
  static let loops = OperatorLoops<Double>(
    map: convoy_map_f64, mapAdjoint: convoy_map_adjoint_f64, add: convoy_add_all_f64,
    multiply: convoy_multiply_f64, scale: convoy_scale_f64, along: convoy_along_f64,
    sumRows: convoy_sum_rows_f64, sumEach: convoy_sum_each_f64, writeSums: convoy_sums_f64,
    dropout: convoy_dropout_f64, momentumUpdate: convoy_sgd_f64, adamUpdate: convoy_adam_f64)
}

extension NodePart {
  /// - Throws: `ExecutionError.operatorPart`, if the piece's elements are no floating-point numbers.
  func element(of piece: Piece) throws(ExecutionError) -> any OperatorElement.Type {
    switch piece.value.type {
    case .float32: Float.self
    case .float64: Double.self
    case .uint8, .int32, .int64: throw misfit
    }
  }

  /// - Throws: `ExecutionError.operatorPart`, unless there are so many inputs and outputs.
  func check(inputs: Int, outputs: Int = 1) throws(ExecutionError) {
    guard self.inputs.count == inputs, self.outputs.count == outputs else { throw misfit }
  }

  var misfit: ExecutionError {
    .operatorPart(
      operation: operation.text, inputs: inputs.map(\.shape), outputs: outputs.map(\.shape))
  }
}

extension UnsafeRawPointer {
  /// The elements from an index on.
  func elements<Element>(_: Element.Type, from index: Int = 0) -> UnsafePointer<Element> {
    assumingMemoryBound(to: Element.self) + index
  }
}

extension UnsafeMutableRawPointer {
  /// The elements from an index on.
  func elements<Element>(_: Element.Type, from index: Int = 0) -> UnsafeMutablePointer<Element> {
    assumingMemoryBound(to: Element.self) + index
  }
}

/// Rough nanoseconds that a byte takes which is read or written.
let nanosecondsPerByte = 0.06
