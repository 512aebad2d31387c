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
  /// The form at rank 1 has more parameters than the dense kernel it is to compress.
  case formLargerThanDense(
    layer: String, form: String, inputChannels: Int, outputChannels: Int, kernel: [Int],
    compression: Double, parameters: Int, denseParameters: Int)
  /// A rank's part of a batch has another shape than its share.
  case unexpectedImages(shape: [Int], expected: [Int], batch: Int)
  case unexpectedLabels(count: Int, samples: Int)
  case labelOutOfRange(label: Int, sample: Int, classes: Int)
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
    case .unexpectedImages(let shape, let expected, let batch):
      """
      the images have shape \(shape), but this rank's part of a batch of \(batch) has \(expected) (samples, \
      rows, columns, channels); say the number of samples of all ranks together with `of:`
      """
    case .unexpectedLabels(let count, let samples):
      "there are \(count) labels for \(samples) samples; give one for each"
    case .labelOutOfRange(let label, let sample, let classes):
      """
      the label of sample \(sample) is \(label), but there are \(classes) classes, 0 to \(classes - 1)
      """
    case .formLargerThanDense(
      let layer, let form, let inputs, let outputs, let kernel, let compression, let parameters,
      let dense):
      """
      \(layer): form \(form) cannot compress \(inputs) to \(outputs) channels\(Self.text(kernel)) to \
      \(compression): at rank 1, the smallest, it has \(parameters) parameters, and the dense kernel has \
      \(dense); use form dense here, or more channels
      """
    }
  }

  /// Nothing of a linear map.
  private static func text(_ kernel: [Int]) -> String {
    kernel.isEmpty ? "" : " with a \(kernel.map(String.init).joined(separator: "×")) kernel"
  }
}
