/// Why a network could not be made, or a layer could not run.
///
/// ```swift
/// do {
///   _ = try Form.named("cpp")
/// } catch let error as NetworkError {
///   print(error)  // there is no form "cpp"; the forms are dense, cp, tk, …
/// }
/// ```
public enum NetworkError: Error, Hashable, Sendable {
  /// No form has this name.
  case unknownForm(name: String, known: [String])
  /// A compression that is not a number in (0, `limit`].
  case compressionOutOfRange(layer: String, form: String, compression: Double, limit: Double)
  /// A number of channels, a kernel or a window that is less than 1.
  case extentNotPositive(layer: String, what: String, extent: Int)
  /// The form at rank 1 has more parameters than the dense kernel it is to compress.
  case formLargerThanDense(
    layer: String, form: String, inputChannels: Int, outputChannels: Int, kernel: [Int],
    compression: Double, parameters: Int, denseParameters: Int)
  /// The input of a layer has another shape than the layer is for; `expected` describes it.
  case unexpectedInput(layer: String, shape: [Int], expected: String)
  /// A layout that the layer cannot work with: the axes that cut each dimension, on a mesh.
  case unexpectedSharding(layer: String, axes: [[Int]], mesh: [Int], expected: String)
  /// A pool's window does not fit its input, or has more taps than can be numbered.
  case windowDoesNotFit(layer: String, window: Int, height: Int, width: Int)
  /// Batch statistics over fewer than two values per channel.
  case tooFewValues(layer: String, count: Int)
  /// Labels that do not fit the logits.
  case labelCount(labels: Int, samples: Int)
  case labelOutOfRange(label: Int, sample: Int, classes: Int)
  /// Two parameters of a network with one name.
  case duplicateParameter(name: String)
  /// A pullback of an evaluation pass, which keeps nothing to go back with.
  case evaluationHasNoGradient(layer: String)
  /// A pullback that was called before: it has let go of what it went back with.
  case pullbackUsed(layer: String)
}

extension NetworkError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unknownForm(let name, let known):
      "there is no form \"\(name)\"; the forms are \(known.joined(separator: ", "))"
    case .compressionOutOfRange(let layer, let form, let compression, let limit):
      """
      \(layer): the compression of form \(form) is \(compression), but must be greater than 0 and \
      at most \(limit); it is the layer's parameters divided by those of the dense kernel, e.g. 0.1
      """
    case .extentNotPositive(let layer, let what, let extent):
      "\(layer): \(what) is \(extent), but must be at least 1"
    case .formLargerThanDense(
      let layer, let form, let inputs, let outputs, let kernel, let compression, let parameters,
      let dense):
      """
      \(layer): form \(form) cannot compress \(inputs) to \(outputs) channels\(Self.text(kernel)) to \
      \(compression): at rank 1, the smallest, it has \(parameters) parameters, and the dense kernel has \
      \(dense); use form dense here, or more channels
      """
    case .unexpectedInput(let layer, let shape, let expected):
      "\(layer): the input has shape \(shape), but \(expected) was expected"
    case .unexpectedSharding(let layer, let axes, let mesh, let expected):
      """
      \(layer): the input is cut by the axes \(axes) of the ranks \
      \(mesh.map(String.init).joined(separator: " × ")); expected \(expected)
      """
    case .windowDoesNotFit(let layer, let window, let height, let width):
      """
      \(layer): a window of \(window)×\(window) does not fit an image of \(height)×\(width); it \
      must be no larger than the image, and at most 16×16
      """
    case .tooFewValues(let layer, let count):
      """
      \(layer): batch statistics over \(count) value\(count == 1 ? "" : "s") per channel; at least \
      2 are needed over all ranks: use a larger batch or larger images
      """
    case .labelCount(let labels, let samples):
      "cross-entropy: \(labels) labels for \(samples) samples; there must be one for each"
    case .labelOutOfRange(let label, let sample, let classes):
      """
      cross-entropy: the label of sample \(sample) is \(label), but there are \(classes) classes, \
      0 to \(classes - 1)
      """
    case .duplicateParameter(let name):
      "the network has two parameters named \(name); give its layers different names"
    case .evaluationHasNoGradient(let layer):
      """
      \(layer): there is no gradient of an evaluation pass, which keeps no intermediates; run \
      forward with isTraining: true
      """
    case .pullbackUsed(let layer):
      """
      \(layer): the pullback was called before, and has let go of what it needs; run forward again \
      for each pullback
      """
    }
  }

  /// Nothing of a linear map.
  private static func text(_ kernel: [Int]) -> String {
    kernel.isEmpty ? "" : " with a \(kernel.map(String.init).joined(separator: "×")) kernel"
  }
}
