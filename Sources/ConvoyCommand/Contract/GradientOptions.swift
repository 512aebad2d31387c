import ArgumentParser
import Convoy
import Formats
import Foundation

/// How `convoy contract` is asked for the gradients of the operands.
struct GradientOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      The gradient of some number with respect to the result: of the result's shape and type. \
      With --gradients.
      """, valueName: "file.npy"), transform: expandedPath)
  var resultGradient: String?

  @Option(
    help: ArgumentHelp(
      """
      Write the number's gradients with respect to the operands, to PREFIX-0.npy, PREFIX-1.npy …, \
      each of its operand's shape and type. With --result-gradient.
      """, valueName: "prefix"), transform: expandedPath)
  var gradients: String?

  func validate() throws {
    switch (resultGradient, gradients) {
    case (_?, nil):
      throw ValidationError(
        "--result-gradient without --gradients: name the files to write, e.g. --gradients gradient")
    case (nil, _?):
      throw ValidationError(
        "--gradients without --result-gradient: name the file that holds the result's gradient")
    case (_?, _?), (nil, nil): break
    }
  }

  /// Whether gradients are asked for.
  var isGiven: Bool { gradients != nil }

  /// The files that will be written.
  func outputs(operands: Int) -> [String] {
    gradients.map { prefix in (0..<operands).map { GradientFiles.path(prefix, operand: $0) } } ?? []
  }

  /// The files, opened and checked; `nil` if no gradients are asked for.
  ///
  /// - Throws: `FormatError`, `CommandError.mixedElementTypes`, `.resultGradientShape`.
  func files(
    _ bound: BoundExpression, operands: [NpyFile], names: [String]
  ) throws -> GradientFiles? {
    guard let resultGradient, let gradients else { return nil }
    let file = try NpyFile(path: resultGradient)
    guard file.header.shape == bound.outputShape else {
      throw CommandError.resultGradientShape(
        path: resultGradient, expression: bound.text, expected: bound.outputShape,
        found: file.header.shape)
    }
    if let first = operands.first, first.header.elementType != file.header.elementType {
      throw CommandError.mixedElementTypes(
        first: names[0], firstType: first.header.elementType.rawValue, other: resultGradient,
        otherType: file.header.elementType.rawValue)
    }
    return GradientFiles(resultGradient: file, prefix: gradients)
  }
}

/// The files of a reverse pass: the result's gradient, which is read, and the operands', which are
/// written.
struct GradientFiles: Sendable {
  let resultGradient: NpyFile
  let prefix: String

  func path(operand: Int) -> String { Self.path(prefix, operand: operand) }

  static func path(_ prefix: String, operand: Int) -> String { "\(prefix)-\(operand).npy" }
}
