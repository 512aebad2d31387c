/// What operators ask of their inputs; each check throws what does not fit, a missing input too.
///
/// ```swift
/// func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
///   try inputs.check(count: 2)
///   let x = try inputs.floating(0)
///   try inputs.check(1, type: .int32, shape: [x.shape[0]])
///   return [x]
/// }
/// ```
extension [Value] {
  /// Exactly so many inputs.
  public func check(count expected: Int) throws(GraphError.Misfit) {
    guard count == expected else { throw .inputCount(expected: expected, given: count) }
  }

  /// The input, which is of a floating-point type.
  public func floating(_ input: Int) throws(GraphError.Misfit) -> Value {
    try value(input, of: ElementType.floatingPoint)
  }

  /// The input, which is of one of these types.
  @discardableResult
  public func value(
    _ input: Int, of types: [ElementType]
  ) throws(GraphError.Misfit) -> Value {
    guard indices.contains(input) else { throw .inputCount(expected: input + 1, given: count) }
    guard types.contains(self[input].type) else {
      throw .elementType(input: input, expected: types)
    }
    return self[input]
  }

  /// The input has this type and shape.
  public func check(
    _ input: Int, type: ElementType, shape: [Int]
  ) throws(GraphError.Misfit) {
    try value(input, of: [type])
    guard self[input].shape == shape else { throw .shape(input: input, expected: shape) }
  }

  /// These inputs have the type of x, and its extents along some of its axes, ascending.
  func check(
    _ inputs: ClosedRange<Int>, like x: Value, along axes: [Int]
  ) throws(GraphError.Misfit) {
    try x.check(axes: axes)
    for input in inputs { try check(input, type: x.type, shape: x.extents(axes)) }
  }

  /// All inputs are like the first, which is floating-point.
  func checkAlike() throws(GraphError.Misfit) -> Value {
    guard !isEmpty else { throw .inputCount(expected: 1, given: 0) }
    let first = try floating(0)
    for input in indices { try check(input, type: first.type, shape: first.shape) }
    return first
  }
}

extension Value {
  /// Axes that the value has, ascending.
  func check(axes chosen: [Int]) throws(GraphError.Misfit) {
    try checkAscending(chosen, dimensions: axes.count)
  }

  func check(axis: Int) throws(GraphError.Misfit) {
    try checkAscending([axis], dimensions: axes.count)
  }

  /// The axes besides these, in order.
  func others(than chosen: [Int]) -> [Int] { axes.indices.filter { !chosen.contains($0) } }

  /// The extents along these axes.
  func extents(_ chosen: [Int]) -> [Int] { chosen.map { axes[$0].extent } }
}

/// Axes among so many dimensions, ascending.
func checkAscending(_ axes: [Int], dimensions: Int) throws(GraphError.Misfit) {
  for axis in axes where axis < 0 || axis >= dimensions {
    throw .axisOutOfRange(axis, dimensions: dimensions)
  }
  guard zip(axes, axes.dropFirst()).allSatisfy(<) else { throw .axesNotAscending(axes) }
}

/// The constant that an operator multiplies by, or fills with, is a number.
func checkFinite(_ number: Double) throws(GraphError.Misfit) {
  try checkSetting(.scale, number, from: -Double.greatestFiniteMagnitude, below: .infinity)
}

/// The setting lies in a range; a bound of `nil` is none.
func checkSetting(
  _ setting: GraphError.Setting, _ value: Double, from lowest: Double = 0,
  below highest: Double? = nil
) throws(GraphError.Misfit) {
  guard value >= lowest, value < highest ?? .infinity else {
    throw .setting(setting, value, lowest: lowest, below: highest)
  }
}

extension Value {
  /// Extents that a tensor can have.
  func checkExtents() throws(GraphError) {
    guard axes.allSatisfy({ $0.extent >= 0 }) else { throw .negativeExtent(self) }
    guard isAddressable else { throw .tooLarge(self) }
  }
}

extension [Value] {
  /// The number of one of these values.
  func check(_ id: ValueID) throws(GraphError) {
    guard indices.contains(id.index) else { throw .unknownValue(id, count: count) }
  }
}

extension [Axis] {
  /// Extents from 0 to the largest that can be added up without overflow.
  func checkExtents() throws(GraphError.Misfit) {
    for axis in self { try checkSetting(.extent, Double(axis.extent), below: largestExtent) }
  }
}

/// Above every extent and padding.
let largestExtent = 0x1p48

/// A number as settings write it; equal numbers are written alike.
func decimal(_ number: Double) -> String { "\(number == 0 ? 0 : number)" }

/// Numbers as settings write them: `2,3`.
func list(_ numbers: [Int]) -> String { numbers.map(String.init).joined(separator: ",") }
