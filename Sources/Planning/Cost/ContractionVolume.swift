/// One pairwise step as its communication sees it: the classes of modes that can be cut, each with
/// the product of its extents, and the elements of the three tensors.
///
/// A class is the set of tensors that its modes cut. Between operands `first` and `second` and the
/// `result` there are seven:
///
/// | class | cuts | the modes are in |
/// | --- | --- | --- |
/// | `batch` | first, second, result | all three |
/// | `m` | first, result | the first operand and the result |
/// | `n` | second, result | the second operand and the result |
/// | `k` | first, second | both operands, contracted |
/// | `firstAlone`, `secondAlone`, `resultAlone` | one of them | that one only |
///
/// A convolution mode counts by its *output* extent in the class of the feature, for that is the
/// index that ranks share: m (n if the second operand is the feature), or `firstAlone` if it is
/// summed over. The taps are never cut and belong to no class. Therefore `first` need not be
/// batch·m·k, and sizes are given apart from the classes.
///
/// ```swift
/// let product = ContractionVolume(m: 1024, n: 1024, k: 1024)
/// product.receivedLowerBound(ranks: 8)             // 393216
/// // bshw,tshw->bthw|hw of 32×64×28×28 and 3×3 taps to 64 channels:
/// let layer = ContractionVolume(
///   m: 32 * 28 * 28, n: 64, k: 64, first: 32 * 64 * 28 * 28, second: 64 * 64 * 9)
/// ```
public struct ContractionVolume: Hashable, Sendable {
  /// Products of extents: into how many parts a class can be cut at most.
  public var batch: Double
  public var m: Double
  public var n: Double
  public var k: Double
  public var firstAlone: Double
  public var secondAlone: Double
  public var resultAlone: Double
  /// Elements of the tensors; of an operand those that are read at all (a stride longer than the
  /// taps reach leaves gaps).
  public var first: Double
  public var second: Double
  public var result: Double

  /// Sizes that are not given are the product of the tensor's classes, as in a step without
  /// convolutions.
  public init(
    batch: Double = 1, m: Double, n: Double, k: Double, firstAlone: Double = 1,
    secondAlone: Double = 1, resultAlone: Double = 1, first: Double? = nil, second: Double? = nil,
    result: Double? = nil
  ) {
    self.batch = batch
    self.m = m
    self.n = n
    self.k = k
    self.firstAlone = firstAlone
    self.secondAlone = secondAlone
    self.resultAlone = resultAlone
    self.first = first ?? batch * m * k * firstAlone
    self.second = second ?? batch * k * n * secondAlone
    self.result = result ?? batch * m * n * resultAlone
  }

  /// Elements of the three tensors.
  public var elements: Double { first + second + result }

  /// Whether the step is `batch` matrix products and nothing else.
  public var isMatrixProduct: Bool {
    firstAlone == 1 && secondAlone == 1 && resultAlone == 1 && first == batch * m * k
      && second == batch * k * n && result == batch * m * n
  }
}
