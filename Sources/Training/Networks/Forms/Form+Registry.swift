import Planning

/// The forms that a configuration can name (design, section 2, *Layers*), for kernels of any number
/// of dimensions.
extension Form {
  /// The whole kernel.
  public static let dense = denseForm(spaceModes(2))

  /// Canonical polyadic.
  public static let cp = cpForm(spaceModes(2))

  /// Tucker, of the channels.
  public static let tucker = tuckerForm(spaceModes(2))

  /// Tensor train.
  public static let tensorTrain = tensorTrainForm(spaceModes(2))

  /// Tensor ring.
  public static let tensorRing = tensorRingForm(spaceModes(2))

  /// Block term: a sum of four Tucker forms.
  public static let blockTerm = blockTermForm(spaceModes(2))

  /// Canonical polyadic with reshaped channels.
  public static let reshapedCP = reshapedCPForm(spaceModes(2))

  /// Tucker with reshaped channels.
  public static let reshapedTucker = reshapedTuckerForm(spaceModes(2))

  /// Tensor train with reshaped channels.
  public static let reshapedTensorTrain = reshapedTensorTrainForm(spaceModes(2))

  /// Tensor ring with reshaped channels.
  public static let reshapedTensorRing = reshapedTensorRingForm(spaceModes(2))

  /// Hierarchical Tucker.
  public static let hierarchicalTucker = hierarchicalTuckerForm(spaceModes(2))

  /// Every form of 2-D kernels, in the order in which help and messages list them.
  public static let all: [Form] = all(dimensions: 2)

  /// Every form of kernels of this number of dimensions, of a matrix for 0.
  ///
  /// - Parameter dimensions: 0 to 3.
  public static func all(dimensions: Int) -> [Form] {
    let space = spaceModes(dimensions)
    return [
      denseForm, cpForm, tuckerForm, tensorTrainForm, tensorRingForm, blockTermForm,
      reshapedCPForm, reshapedTuckerForm, reshapedTensorTrainForm, reshapedTensorRingForm,
      hierarchicalTuckerForm,
    ].map { $0(space) }
  }

  /// The form of a name in any case.
  ///
  /// ```swift
  /// try Form.named("cp", dimensions: 1).description  // rt,rs,rw
  /// try Form.named("cp", dimensions: 0).description  // rt,rs
  /// ```
  ///
  /// - Parameter dimensions: Of the kernel, 0 to 3; 0 is a matrix.
  /// - Throws: `NetworkError.unknownForm`.
  public static func named(_ name: String, dimensions: Int = 2) throws(NetworkError) -> Form {
    let forms = all(dimensions: dimensions)
    guard let form = forms.first(where: { $0.name == name.lowercased() }) else {
      throw .unknownForm(name: name, known: forms.map(\.name))
    }
    return form
  }

  /// The modes of the kernel's extents: the last is the width, the one before it the height.
  static func spaceModes(_ dimensions: Int) -> [Mode] {
    Array((["d", "h", "w"] as [Mode]).suffix(dimensions))
  }

  /// The interleaved group convolution (Zhang and others, arXiv 1707.02725): a convolution of each
  /// of `groups` groups of channels by itself; a permutation, after which every group has one channel
  /// of each of those; a 1×1 convolution of each of the new groups. No permutation is computed: the
  /// channels are numbered (group `l`, channel `m`) before, and (`k`, `n`) after.
  ///
  /// - Parameter groups: A divisor of both numbers of channels.
  static func interleaved(groups: Int, _ kernel: KernelShape) -> Form {
    let space = spaceModes(kernel.extents.count)
    return Form(
      name: "interleaved", factors: [["l", "n", "m"] + space, ["n", "k", "l"]],
      inputModes: ["l", "m"], outputModes: ["k", "n"], spaceModes: space,
      fixedExtents: [
        "l": groups, "m": kernel.inputChannels / groups, "k": groups,
        "n": kernel.outputChannels / groups,
      ])
  }
}

// MARK: Factors

extension Form {
  private static func denseForm(_ space: [Mode]) -> Form {
    Form(name: "dense", factors: [["t", "s"] + space], spaceModes: space)
  }

  private static func cpForm(_ space: [Mode]) -> Form {
    Form(
      name: "cp", factors: [["r", "t"], ["r", "s"]] + space.map { ["r", $0] }, spaceModes: space)
  }

  private static func tuckerForm(_ space: [Mode]) -> Form {
    Form(
      name: "tk", factors: [["r1", "t"], ["r2", "s"], ["r1", "r2"] + space], spaceModes: space)
  }

  private static func tensorTrainForm(_ space: [Mode]) -> Form {
    Form(name: "tt", factors: train([["t"]] + space.map { [$0] } + [["s"]]), spaceModes: space)
  }

  private static func tensorRingForm(_ space: [Mode]) -> Form {
    Form(name: "tr", factors: ring([["t"]] + space.map { [$0] } + [["s"]]), spaceModes: space)
  }

  private static func blockTermForm(_ space: [Mode]) -> Form {
    Form(
      name: "bt", factors: [["c", "r1", "t"], ["c", "r2", "s"], ["c", "r1", "r2"] + space],
      spaceModes: space, fixedExtents: ["c": 4])
  }

  private static func reshapedCPForm(_ space: [Mode]) -> Form {
    reshaped("rcp", pairs.map { ["r"] + $0 } + (space.isEmpty ? [] : [["r"] + space]), space)
  }

  private static func reshapedTuckerForm(_ space: [Mode]) -> Form {
    let factors = zip(["r1", "r2", "r3"] as [Mode], pairs).map { [$0] + $1 }
    let core: [[Mode]] =
      space.isEmpty ? [["r1", "r2", "r3"]] : [["r0"] + space, ["r0", "r1", "r2", "r3"]]
    return reshaped("rtk", factors + core, space)
  }

  private static func reshapedTensorTrainForm(_ space: [Mode]) -> Form {
    reshaped("rtt", train(pairs + (space.isEmpty ? [] : [space])), space)
  }

  private static func reshapedTensorRingForm(_ space: [Mode]) -> Form {
    reshaped("rtr", ring(pairs + (space.isEmpty ? [] : [space])), space)
  }

  /// A binary tree (Hackbusch and Kühn, 2009): leaves are bases of the channels and of each of the
  /// kernel's extents; inner nodes join output with input channels, and the extents from the last to
  /// the first; the root joins both.
  private static func hierarchicalTuckerForm(_ space: [Mode]) -> Form {
    var count = space.count + 2
    var factors: [[Mode]] = (["t", "s"] + space).enumerated().map { [rank($0 + 1), $1] }
    func join(_ a: Mode, _ b: Mode) -> Mode {
      count += 1
      factors.append([a, b, rank(count)])
      return rank(count)
    }
    if space.isEmpty {
      factors.append([rank(1), rank(2)])
    } else {
      let channels = join(rank(1), rank(2))
      var extents = rank(space.count + 2)
      for index in space.indices.dropLast().reversed() { extents = join(rank(index + 3), extents) }
      factors.append([channels, extents])
    }
    return Form(name: "ht", factors: factors, spaceModes: space)
  }

  private static func rank(_ number: Int) -> Mode { Mode("r\(number)") }

  /// Channels in three parts each.
  private static let pairs: [[Mode]] = [["t1", "s1"], ["t2", "s2"], ["t3", "s3"]]

  private static func reshaped(_ name: String, _ factors: [[Mode]], _ space: [Mode]) -> Form {
    Form(
      name: name, factors: factors, inputModes: ["s1", "s2", "s3"],
      outputModes: ["t1", "t2", "t3"], spaceModes: space)
  }

  /// Each joined with the next by a rank.
  private static func train(_ items: [[Mode]]) -> [[Mode]] {
    items.enumerated().map { index, item in
      (index > 0 ? [rank(index)] : []) + (index + 1 < items.count ? [rank(index + 1)] : []) + item
    }
  }

  /// As a train, and the last with the first.
  private static func ring(_ items: [[Mode]]) -> [[Mode]] {
    items.enumerated().map { index, item in
      [rank(index), rank((index + 1) % items.count)] + item
    }
  }
}
