/// Why a network cannot be made of its description. What a single form or a single operator refuses
/// is a `NetworkError` or a `GraphError`, with the layer's name too.
///
/// ```swift
/// do {
///   _ = try network.graph(images, classes: 10, mode: .training)
/// } catch {
///   print(error)  // conv1: groups is 3, which does not divide 32 input and 64 output channels …
/// }
/// ```
public enum LayerError: Error, Hashable, Sendable {
  case noLayers
  /// Axes that are not one of samples, up to three others, and one of channels; by roles.
  case input(roles: [String])
  case tooManyLayers(limit: Int)
  case tooDeep(limit: Int)
  case invalidName(String)
  case duplicateName(layer: String)
  /// A number that is out of bounds; `expected` says what it should be.
  case setting(layer: String, setting: String, value: String, expected: String)
  /// A list with neither one entry nor one for each axis.
  case settingCount(layer: String, setting: String, count: Int, shape: [Int])
  /// A layer that goes over the axes between samples and channels, of an input that has not as many
  /// as it takes; `dimensions` is `nil` where it takes one to three.
  case dimensions(layer: String, kind: String, dimensions: Int?, shape: [Int])
  case groups(layer: String, setting: String, groups: Int, inputs: Int, outputs: Int)
  /// Interleaved groups are a form of their own.
  case interleavedBeside(layer: String, setting: String)
  case unknownForm(layer: String, form: String, known: [String])
  /// More elements than any tensor here may have.
  case tooLarge(layer: String, shape: [Int])
  /// Operands of an expression besides the input, and parameters.
  case operandCount(layer: String, expression: String, operands: Int, parameters: Int)
  case unknownMode(layer: String, mode: String, expression: String)
  /// The result of an expression has not samples first and channels last.
  case resultAxes(layer: String, expression: String, roles: [String])
  /// The pattern of a rule that no convolution and no linear map matches.
  case unmatchedPattern(String, layers: [String])
  /// What comes out is not one number for each class.
  case output(layer: String, shape: [Int], classes: Int)
}

extension LayerError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .noLayers: "the network has no layers; give it at least one"
    case .input(let roles):
      """
      the input has axes of \(roles.joined(separator: ", ")); expected samples first, channels \
      last, and up to three of space or time between them
      """
    case .tooManyLayers(let limit):
      "the network has more than \(limit) layers; use fewer, or lower the count of a repeat"
    case .tooDeep(let limit):
      "layers stand within layers more than \(limit) deep; put them one after the other"
    case .invalidName(let name):
      """
      a layer is named "\(name)"; a name is made of letters, digits, _ and -, and has at least one
      """
    case .duplicateName(let layer):
      "two layers are named \(layer); give them different names, or none"
    case .setting(let layer, let setting, let value, let expected):
      "\(layer): \(setting) is \(value), expected \(expected)"
    case .settingCount(let layer, let setting, let count, let shape):
      """
      \(layer): \(setting) has \(count) entries for an input of shape \(shape); give one, or one for \
      each of its \(max(0, shape.count - 2)) axes between samples and channels
      """
    case .dimensions(let layer, let kind, let dimensions, let shape):
      """
      \(layer): a \(kind) goes over \(dimensions.map(String.init) ?? "one to three") \
      \(dimensions == 1 ? "axis" : "axes") between samples and channels, but the input has shape \
      \(shape)
      """
    case .groups(let layer, let setting, let groups, let inputs, let outputs):
      """
      \(layer): \(setting) is \(groups), which does not divide both its \(inputs) input and \
      \(outputs) output channels
      """
    case .interleavedBeside(let layer, let setting):
      "\(layer): interleavedGroups is a form of its own; leave \(setting) out"
    case .unknownForm(let layer, let form, let known):
      "\(layer): there is no form \"\(form)\"; the forms are \(known.joined(separator: ", "))"
    case .tooLarge(let layer, let shape):
      "\(layer): a kernel of \(shape) has too many elements; use fewer channels"
    case .operandCount(let layer, let expression, let operands, let parameters):
      """
      \(layer): \(expression) has \(operands) operand\(operands == 1 ? "" : "s") besides the input, \
      but there \(parameters == 1 ? "is 1 parameter" : "are \(parameters) parameters")
      """
    case .unknownMode(let layer, let mode, let expression):
      "\(layer): roles names the mode \"\(mode)\", which \(expression) has not"
    case .resultAxes(let layer, let expression, let roles):
      """
      \(layer): the result of \(expression) has \(roles.isEmpty ? "no axes" : "axes of ")\
      \(roles.joined(separator: ", ")); expected samples first and channels last: change the order, or \
      roles
      """
    case .unmatchedPattern(let pattern, let layers):
      """
      factorize: no convolution and no linear layer is named as "\(pattern)" says; they are \
      \(layers.prefix(8).joined(separator: ", "))\(layers.count > 8 ? ", …" : "")
      """
    case .output(let layer, let shape, let classes):
      """
      \(layer), the last layer, has the output \(shape), expected one number for each of \
      \(classes) classes of each sample, such as [\(shape.first ?? 1), \(classes)]; end with \
      globalMean and linear
      """
    }
  }
}
