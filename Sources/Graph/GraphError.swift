import Planning

/// Why a graph cannot be.
///
/// A value to switch over; `description` says it in words, with the node, its operator, the shapes
/// and what to do:
///
/// ```swift
/// do {
///   _ = try builder.add([a, b], name: "layer1.0.add")
/// } catch {
///   print(error)
///   // node "layer1.0.add" (add): input 1 has shape [8, 4], expected [8, 3]
///   //   inputs: a float32 [8, 3], b float32 [8, 4]
///   // Fix: give input 1 the shape [8, 3]
/// }
/// ```
public enum GraphError: Error, Hashable, Sendable {
  /// The inputs or settings of a node do not fit.
  case misfit(Misfit, node: String, operator: String, inputs: [Value])
  /// A gradient is needed through an operator that has none.
  case noAdjoint(node: String, operator: String, inputs: [Value])
  /// An operator's adjoint gave a gradient that is not like its input.
  case gradient(node: String, operator: String, input: Value, gradient: Value)
  /// An operator's adjoint gave not one gradient, or `nil`, for each input.
  case gradientCount(node: String, operator: String, expected: Int, given: Int)
  /// An operator gave not as many outputs as were asked for.
  case outputCount(node: String, operator: String, expected: Int, given: Int)
  case negativeExtent(Value)
  /// A value has more bytes than there are addresses.
  case tooLarge(Value)
  case duplicateName(String)
  case emptyName
  case unknownValue(ValueID, count: Int)
  case unknownResult(String, known: [String])
  /// What is differentiated must be a scalar of a floating-point type.
  case lossIsNoScalar(Value)
  /// Gradients are of floating-point values.
  case notDifferentiable(Value)
  /// Only parameters and states become something.
  case effectOnNoState(Value)
  case secondEffect(Value)
  /// A source becomes a value of its own type and shape.
  case effectMismatch(source: Value, becomes: Value)
  /// A value is no node's output and no source, or is one twice, or is read before it exists.
  case disorder(value: String, place: String)
  /// A node's outputs are not those its operator gives.
  case outputs(node: String, recorded: [Value], expected: [Value])

  /// What of a node's inputs or settings does not fit; inputs are numbered from 0.
  ///
  /// ```swift
  /// if case .misfit(.shape(let input, let expected), let node, _, _) = error {
  ///   print("\(node): input \(input) should have the shape \(expected)")
  /// }
  /// ```
  public enum Misfit: Error, Hashable, Sendable {
    case inputCount(expected: Int, given: Int)
    case elementType(input: Int, expected: [ElementType])
    /// An operator that would give elements of a type that it cannot make.
    case outputType(ElementType, expected: [ElementType])
    case shape(input: Int, expected: [Int])
    case dimensions(input: Int, expected: Int)
    case axisOutOfRange(Int, dimensions: Int)
    case axesNotAscending([Int])
    case notPermutation([Int], dimensions: Int)
    /// A setting outside lowest ..< below.
    case setting(Setting, Double, lowest: Double, below: Double?)
    /// A list of settings that has not one entry for each of something.
    case settingCount(Setting, expected: Int, given: Int)
    /// A window that does not fit into its axis, or that may lie in padding alone.
    case window(PoolWindow, extent: Int)
    case range(axis: Int, lower: Int, upper: Int, extent: Int)
    /// Equal parts of an axis whose extent is no multiple of their number.
    case parts(Int, axis: Int, extent: Int)
    case elementCount(from: [Int], to: [Int])
    /// A normalisation that is told another number of elements than its sums are over.
    case sumCount(expected: Int, given: Int)
    case expression(ExpressionError)
  }

  /// The settings of operators that have bounds.
  ///
  /// ```swift
  /// GraphError.Setting.labelSmoothing.rawValue  // "label smoothing"
  /// ```
  public enum Setting: String, Hashable, Sendable {
    case axes
    case beta
    case classes
    case count
    case epsilon
    case extent
    case labelSmoothing = "label smoothing"
    case momentum
    case needed
    case padding
    case rate
    case scale
    case stream
    case top
    case weightDecay = "weight decay"
  }
}
