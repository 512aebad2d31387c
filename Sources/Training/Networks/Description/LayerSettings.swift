import Graph
import Planning

/// A convolution over all axes between samples and channels, without a bias unless asked for.
///
/// Lists have an entry for each of those axes, or one that counts for all of them.
///
/// ```swift
/// ConvolutionSettings(channels: 64, kernel: 3, stride: 2)
/// ConvolutionSettings(
///   channels: 64, kernel: 3, factorization: Factorization("cp", compression: 0.1))
/// ```
public struct ConvolutionSettings: Hashable, Sendable {
  /// Where the variance of a dense kernel's initial values comes from (He and others, arXiv
  /// 1502.01852): 2 / the inputs that reach an output, or the outputs that an input reaches.
  public enum Fan: String, Hashable, Sendable, CaseIterable {
    case fanIn
    case fanOut
  }

  /// Those of the output.
  public var channels: Int
  public var kernel: [Int]
  public var stride = [1]
  public var dilation = [1]
  public var padding: [ConvRule.Padding] = [.same]
  /// Over how many axes; `nil`: all that there are.
  public var dimensions: Int?
  /// Groups of channels that do not mix; as many as channels is a depthwise convolution.
  public var groups = 1
  /// If more than 1: the interleaved group convolution of so many groups, `Form.interleaved`.
  public var interleavedGroups = 1
  public var factorization = Factorization.dense
  public var bias = false
  public var initialization = Fan.fanIn

  public init(
    channels: Int, kernel: Int, stride: Int = 1, factorization: Factorization = .dense,
    bias: Bool = false, initialization: Fan = .fanIn
  ) {
    self.channels = channels
    self.kernel = [kernel]
    self.stride = [stride]
    self.factorization = factorization
    self.bias = bias
    self.initialization = initialization
  }
}

/// A linear map of the channels, at every place by itself.
///
/// ```swift
/// LinearSettings()              // to the classes of the data
/// LinearSettings(outputs: 256)
/// ```
public struct LinearSettings: Hashable, Sendable {
  public enum Initialization: String, Hashable, Sendable, CaseIterable {
    /// Weights and bias uniform within ±1/√inputs (PyTorch's).
    case uniform
    /// Weights normal with variance 1/inputs, and no bias at first.
    case normal
  }

  /// `nil`: the classes of the data.
  public var outputs: Int?
  public var factorization = Factorization.dense
  public var bias = true
  public var initialization = Initialization.uniform

  public init(
    outputs: Int? = nil, factorization: Factorization = .dense, bias: Bool = true,
    initialization: Initialization = .uniform
  ) {
    self.outputs = outputs
    self.factorization = factorization
    self.bias = bias
    self.initialization = initialization
  }
}

/// Any conv_einsum expression of the input, its first operand, and of parameters, the others.
///
/// ```swift
/// var mixing = EinsumSettings("bhws,hu,st->buwt")
/// mixing.parameters = [.init("rows", shape: [28, 14]), .init("channels", shape: [32, 64])]
/// mixing.roles = ["u": .space]
/// ```
public struct EinsumSettings: Hashable, Sendable {
  public struct Parameter: Hashable, Sendable {
    public var name: String
    public var shape: [Int]
    /// `nil`: normal, such that the result of all parameters has the variance of the input.
    public var initialization: ParameterInitialization?
    /// Whether weight decay applies.
    public var decays = true

    public init(_ name: String, shape: [Int], initialization: ParameterInitialization? = nil) {
      self.name = name
      self.shape = shape
      self.initialization = initialization
    }
  }

  public var expression: String
  public var parameters: [Parameter] = []
  public var rules = ConvRules(all: ConvRule(kind: .correlation))
  /// What the modes are that the input has not, by name; of one that is not named here a channel.
  public var roles: [String: AxisRole] = [:]

  public init(_ expression: String) { self.expression = expression }
}

/// A normalisation, with a scale and a bias for every channel.
///
/// ```swift
/// NormSettings(.group(8))
/// ```
public struct NormSettings: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// Every channel over all samples and places; by running statistics in evaluation.
    case batch
    /// The channels of every place.
    case layer
    /// So many groups of channels, each over all places of a sample.
    case group(Int)
  }

  public var kind: Kind
  public var epsilon = 1e-5
  /// The weight of a batch in the running statistics.
  public var momentum = 0.1

  public init(_ kind: Kind) { self.kind = kind }
}

/// A window that goes over all axes between samples and channels. Lists are as a convolution's.
///
/// ```swift
/// PoolSettings(window: [3], stride: [2], padding: [1])
/// ```
public struct PoolSettings: Hashable, Sendable {
  public var window: [Int]
  /// `nil`: windows lie side by side.
  public var stride: [Int]?
  /// Before and after; never wins a maximum, and counts as zeros in a mean.
  public var padding: [Int]

  public init(window: [Int], stride: [Int]? = nil, padding: [Int] = [0]) {
    self.window = window
    self.stride = stride
    self.padding = padding
  }
}

/// The form of a kernel or a matrix, and how large it is.
///
/// ```swift
/// Factorization("cp", compression: 0.1)
/// Factorization("tr", rank: 8)
/// ```
public struct Factorization: Hashable, Sendable {
  public enum Size: Hashable, Sendable {
    /// Parameters / parameters of the dense form.
    case compression(Double)
    /// The extent of every rank.
    case rank(Int)
  }

  /// A `Form`'s name.
  public let form: String
  /// Without meaning for the dense form, where it is always the compression 1.
  public let size: Size

  public init(_ form: String, compression: Double) {
    self.init(form.lowercased(), .compression(compression))
  }

  public init(_ form: String, rank: Int) {
    self.init(form.lowercased(), .rank(rank))
  }

  private init(_ form: String, _ size: Size) {
    self.form = form
    self.size = form == "dense" ? .compression(1) : size
  }

  public static let dense = Factorization("dense", compression: 1)

  public var isDense: Bool { form == "dense" }
}

/// The factorisation of all convolutions and linear maps whose names match a pattern.
///
/// ```swift
/// FactorizationRule("layer?.*.conv*", Factorization("cp", compression: 0.1))
/// ```
public struct FactorizationRule: Hashable, Sendable {
  /// A layer's full name, in which `*` stands for any characters and `?` for one.
  public var pattern: String
  public var factorization: Factorization

  public init(_ pattern: String, _ factorization: Factorization) {
    self.pattern = pattern
    self.factorization = factorization
  }

  func matches(_ name: String) -> Bool {
    let (pattern, name) = (Array(pattern), Array(name))
    // Greedy, going back to the last `*` alone: one is enough.
    var (p, n) = (0, 0)
    var last: (pattern: Int, name: Int)?
    while n < name.count {
      if p < pattern.count, pattern[p] == "*" {
        last = (p, n)
        p += 1
      } else if p < pattern.count, pattern[p] == "?" || pattern[p] == name[n] {
        (p, n) = (p + 1, n + 1)
      } else if let (star, start) = last {
        last = (star, start + 1)
        (p, n) = (star + 1, start + 1)
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == "*" }
  }
}
