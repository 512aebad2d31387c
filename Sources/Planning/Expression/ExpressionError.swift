/// Why the text of an expression, its convolution options or the shapes of its operands were
/// refused.
///
/// A value to switch over (`kind`); `description` says it in words, with a caret under the place:
///
/// ```swift
/// do {
///   _ = try ConvEinsum("bs3,st->bt")
/// } catch {
///   print(error)
///   // found '3', expected a mode, '...', ',', '->' or '|'
///   //   bs3,st->bt
///   //     ^
///   // Fix: a mode is a letter (A-Z, a-z) or a name in parentheses: write (3)
/// }
/// ```
public struct ExpressionError: Error, Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// The text is not an expression.
    case syntax(Syntax)
    /// The text is not an option for convolution modes.
    case option(Option)
    /// The expression cannot have operands of these shapes under these rules.
    case binding(Binding)
  }

  public let kind: Kind
  /// The expression as given or, of `Kind.option`, the option.
  public let text: String
  /// The characters of `text` at fault, counted from 0; one past the end where something is missing
  /// there. `nil` where no single place is at fault.
  public let range: Range<Int>?

  init(_ kind: Kind, text: String, range: Range<Int>? = nil) {
    self.kind = kind
    self.text = text
    self.range = range
  }
}

extension ExpressionError {
  /// The three sections of an expression: `operands->output|convolutionModes`.
  public enum Section: Hashable, Sendable {
    case operands
    case output
    case convolutionModes
  }

  /// What is wrong with the text of an expression.
  public enum Syntax: Hashable, Sendable {
    /// Something, as it is written, that cannot stand in this section.
    case unexpected(String, in: Section)
    /// The beginning of `->` or of `...` without its rest.
    case incomplete(String, expected: String)
    /// Two `...` in one term.
    case secondEllipsis
    case unclosedParenthesis
    case emptyName
    case characterInName(Character)
    /// Nothing follows `|` or `,` among the convolution modes.
    case missingConvolutionMode(after: String)
    case repeatedConvolutionMode(Mode)
    case unknownConvolutionMode(Mode, nearest: Mode?)
    /// A convolution mode stands twice in one operand.
    case diagonalConvolutionMode(Mode, operand: Int)
    case repeatedOutputMode(Mode)
    case unknownOutputMode(Mode, nearest: Mode?)
  }

  /// What is wrong with an option such as `h:stride=2,padding=same`.
  public enum Option: Hashable, Sendable {
    case missingColon
    case invalidMode(String)
    /// Nothing follows `:` or `,`.
    case missingSetting
    case missingValue(setting: String)
    case unknownSetting(String, nearest: String?)
    case unknownValue(ConvRule.Setting, String, nearest: String?)
    case belowMinimum(ConvRule.Setting, Int)
    /// `padding=wrap` where the boundary is not circular; the mode is `*` for the rule of all modes.
    case wrapNeedsCircular(mode: String)
  }

  /// Why operands of the given shapes do not fit an expression and its rules.
  public enum Binding: Hashable, Sendable {
    case operandCount(expected: Int, given: Int)
    case dimensionCount(Operand, expected: Int, hasEllipsis: Bool)
    case negativeExtent(Operand, dimension: Int)
    /// Two dimensions of one mode, the first of them first, whose extents differ.
    case unequalExtents(Mode, Dimension, Dimension)
    /// `...` stands for that many dimensions, but the output given does not have it.
    case ellipsisNotInOutput(Operand, dimensions: Int)
    /// A convolution mode of extent 0.
    case emptyConvolutionMode(Mode, Operand)
    case unknownRule(mode: String, nearest: String?, convolutionModes: [Mode])
    case featureWithoutMode(Mode, feature: Int, carriers: [Int])
    /// A stride or dilation below 1 or a padding below 0.
    case belowMinimum(Mode, ConvRule.Setting, Int)
    case wrapNeedsCircular(Mode)
    /// The filters reach further than the padded feature: no output index is left.
    case noOutput(
      Mode, featureExtent: Int, low: Int, high: Int, filterExtents: [Int], dilation: Int)
    /// Padding and reach exceed the range of an index.
    case extentTooLarge(Mode)
    /// An operand of more elements than memory has addresses.
    case operandTooLarge(Operand)
    /// An output of more elements than memory has addresses.
    case outputTooLarge(shape: [Int])
  }

  /// An operand as a message names it.
  public struct Operand: Hashable, Sendable {
    /// From 0.
    public let index: Int
    /// Its modes as written.
    public let term: String
    public let shape: [Int]
  }

  /// One dimension, from 0, of an operand.
  public struct Dimension: Hashable, Sendable {
    public let operand: Operand
    public let dimension: Int
    public var extent: Int { operand.shape[dimension] }
  }
}
