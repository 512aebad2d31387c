import Planning

/// A way to write the kernel of a convolution, or the matrix of a linear map, as a product of small
/// tensors, its factors.
///
/// A form is nothing but the modes of its factors, and what each of them stands for: input channels,
/// output channels, the kernel's extents, groups; anything else is a rank. A form with several modes
/// for channels reshapes them, T = T1·T2·…, as evenly as their divisors allow. Expression, parameter
/// shapes, rank and initialisation all follow from the modes, so a new form is one new entry.
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
  /// The modes of the input's channels, in the order in which they number them.
  public let inputModes: [Mode]
  /// The modes of the output's channels, in the order in which they number them.
  public let outputModes: [Mode]
  /// The modes of the kernel's extents, outermost first; none of a linear map.
  public let spaceModes: [Mode]
  /// The mode of groups of channels, which every factor then has; `nil` where there is one group.
  public let groupMode: Mode?
  /// Extents that follow from neither the kernel nor the rank: the number of blocks or of groups.
  public let fixedExtents: [Mode: Int]

  public init(
    name: String, factors: [[Mode]], inputModes: [Mode] = ["s"], outputModes: [Mode] = ["t"],
    spaceModes: [Mode] = ["h", "w"], groupMode: Mode? = nil, fixedExtents: [Mode: Int] = [:]
  ) {
    self.name = name
    self.factors = factors
    self.inputModes = inputModes
    self.outputModes = outputModes
    self.spaceModes = spaceModes
    self.groupMode = groupMode
    self.fixedExtents = fixedExtents
  }

  /// What a mode of a factor stands for.
  enum Role: Hashable { case input, output, space, group, rank, fixed }

  func role(_ mode: Mode) -> Role {
    if inputModes.contains(mode) { return .input }
    if outputModes.contains(mode) { return .output }
    if spaceModes.contains(mode) { return .space }
    if mode == groupMode { return .group }
    return fixedExtents[mode] == nil ? .rank : .fixed
  }

  /// The modes of a role, each once, in order of appearance.
  func modes(_ role: Role) -> [Mode] {
    var seen: [Mode] = []
    for mode in factors.joined() where self.role(mode) == role && !seen.contains(mode) {
      seen.append(mode)
    }
    return seen
  }

  /// The number of groups of channels, each with factors of its own.
  public var groups: Int { groupMode.flatMap { fixedExtents[$0] } ?? 1 }

  /// This form for each of several groups of channels: every factor gets the mode `g`, outermost.
  /// The kernel that the form is then asked about is that of one group.
  public func grouped(_ groups: Int) -> Form {
    guard groups > 1, groupMode == nil else { return self }
    let mode: Mode = "g"
    return Form(
      name: name, factors: factors.map { [mode] + $0 }, inputModes: inputModes,
      outputModes: outputModes, spaceModes: spaceModes, groupMode: mode,
      fixedExtents: fixedExtents.merging([mode: groups]) { $1 })
  }
}

extension Form: CustomStringConvertible {
  /// The factors as they stand in an expression.
  public var description: String { factors.map(written).joined(separator: ",") }

  /// The layer's expression, images channels last, e.g. `bhws,rt,rs,rh,rw->bhwt|hw`.
  public var expression: String { expression(passing: ["b"] + spaceModes) }

  /// The expression of an input with these axes before its channels, of which those of the kernel
  /// are convolved: `bhws,ts->bhwt` of a linear map that passes `bhw`.
  func expression(passing modes: [Mode]) -> String {
    let group = groupMode.map { [$0] } ?? []
    return "\(written(modes + group + inputModes)),\(self)->"
      + written(modes + group + outputModes)
      + (spaceModes.isEmpty ? "" : "|" + written(spaceModes))
  }

  private func written(_ modes: [Mode]) -> String { modes.map(\.description).joined() }
}

/// The extents of a convolution's kernel, or of a matrix: what a form compresses.
///
/// ```swift
/// let video = KernelShape(inputChannels: 3, outputChannels: 64, extents: [3, 7, 7])
/// video.count  // 28224
/// ```
public struct KernelShape: Hashable, Sendable {
  /// S.
  public let inputChannels: Int
  /// T.
  public let outputChannels: Int
  /// Of every dimension, outermost first; none of a matrix.
  public let extents: [Int]

  public init(inputChannels: Int, outputChannels: Int, extents: [Int]) {
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.extents = extents
  }

  public init(inputChannels: Int, outputChannels: Int, height: Int, width: Int) {
    self.init(
      inputChannels: inputChannels, outputChannels: outputChannels, extents: [height, width])
  }

  /// Kh; 1 where there is none.
  public var height: Int { extents.dropLast().last ?? 1 }
  /// Kw; 1 where there is none.
  public var width: Int { extents.last ?? 1 }

  /// Taps of the kernel, the product of its extents.
  public var taps: Int { extents.reduce(1, *) }

  /// Parameters of the dense kernel, S·T·Kh·Kw.
  public var count: Int { inputChannels * outputChannels * taps }

  /// Inputs that reach one output, S·Kh·Kw.
  public var fanIn: Int { inputChannels * taps }

  /// Outputs that one input reaches at stride 1, T·Kh·Kw.
  public var fanOut: Int { outputChannels * taps }
}
