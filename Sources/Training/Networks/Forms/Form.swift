import Planning

/// A way to write the kernel of a 2-D convolution as a product of small tensors, its factors.
///
/// A form is nothing but the modes of its factors. The names say what a mode is: `t…` output
/// channels, `s…` input channels, `h` and `w` the kernel's height and width, anything else a rank.
/// A form with several `t` modes (`t1`, `t2`, …) reshapes the channels, T = T1·T2·…, as evenly as
/// their divisors allow; so too with `s`. Expression, parameter shapes, rank and initialisation
/// all follow from the modes, so a new form is one new entry.
///
/// ```swift
/// let form = try Form.named("cp")
/// form.description                // rt,rs,rh,rw
/// let shape = KernelShape(inputChannels: 64, outputChannels: 64, height: 3, width: 3)
/// form.rank(of: shape, compression: 0.1)   // 27
/// form.factorShapes(shape, rank: 27)       // [[27, 64], [27, 64], [27, 3], [27, 3]]
/// ```
public struct Form: Hashable, Sendable {
  /// In lower case, as configurations give it.
  public let name: String
  /// The modes of every factor, in the order of its dimensions.
  public let factors: [[Mode]]
  /// Extents of modes that are not channels, kernel or rank but given: the number of blocks.
  public let fixedExtents: [Mode: Int]

  public init(name: String, factors: [[Mode]], fixedExtents: [Mode: Int] = [:]) {
    self.name = name
    self.factors = factors
    self.fixedExtents = fixedExtents
  }

  /// What a mode of a factor stands for.
  enum Role: Hashable { case input, output, height, width, rank, fixed }

  func role(_ mode: Mode) -> Role {
    if fixedExtents[mode] != nil { return .fixed }
    switch mode.name {
    case "h": return .height
    case "w": return .width
    default:
      return switch mode.name.first {
      case "s": .input
      case "t": .output
      default: .rank
      }
    }
  }

  /// The modes of a role, each once, in order of appearance.
  func modes(_ role: Role) -> [Mode] {
    var seen: [Mode] = []
    for mode in factors.joined() where self.role(mode) == role && !seen.contains(mode) {
      seen.append(mode)
    }
    return seen
  }
}

extension Form: CustomStringConvertible {
  /// The factors as they stand in an expression.
  public var description: String { factors.map(written).joined(separator: ",") }

  /// The layer's expression, images channels last, e.g. `bhws,rt,rs,rh,rw->bhwt|hw`.
  public var expression: String {
    "bhw\(written(channelModes(.input))),\(self)->bhw\(written(channelModes(.output)))|hw"
  }

  private func written(_ modes: [Mode]) -> String { modes.map(\.description).joined() }

  /// The channel modes of the input or output image; in order of their names, so that the order of
  /// the factors does not decide how channels are numbered.
  func channelModes(_ role: Role) -> [Mode] { modes(role).sorted() }
}

/// The extents of a convolution's kernel: what a form compresses.
public struct KernelShape: Hashable, Sendable {
  /// S.
  public let inputChannels: Int
  /// T.
  public let outputChannels: Int
  /// Kh and Kw.
  public let height: Int
  public let width: Int

  public init(inputChannels: Int, outputChannels: Int, height: Int, width: Int) {
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.height = height
    self.width = width
  }

  /// Parameters of the dense kernel, S·T·Kh·Kw.
  public var count: Int { inputChannels * outputChannels * height * width }

  /// Inputs that reach one output, S·Kh·Kw.
  public var fanIn: Int { inputChannels * height * width }
}
