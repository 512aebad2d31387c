/// The forms that a configuration can name (design, section 2, *Layers*).
extension Form {
  /// The whole kernel.
  public static let dense = Form(name: "dense", factors: [["t", "s", "h", "w"]])

  /// Canonical polyadic.
  public static let cp = Form(
    name: "cp", factors: [["r", "t"], ["r", "s"], ["r", "h"], ["r", "w"]])

  /// Tucker, of the channels.
  public static let tucker = Form(
    name: "tk", factors: [["r1", "t"], ["r2", "s"], ["r1", "r2", "h", "w"]])

  /// Tensor train.
  public static let tensorTrain = Form(
    name: "tt",
    factors: [["r1", "t"], ["r1", "r2", "h"], ["r2", "r3", "w"], ["r3", "s"]])

  /// Tensor ring.
  public static let tensorRing = Form(
    name: "tr",
    factors: [["r0", "r1", "t"], ["r1", "r2", "h"], ["r2", "r3", "w"], ["r3", "r0", "s"]])

  /// Block term: a sum of four Tucker forms.
  public static let blockTerm = Form(
    name: "bt", factors: [["c", "r1", "t"], ["c", "r2", "s"], ["c", "r1", "r2", "h", "w"]],
    fixedExtents: ["c": 4])

  /// Canonical polyadic with reshaped channels.
  public static let reshapedCP = Form(
    name: "rcp",
    factors: [["r", "t1", "s1"], ["r", "t2", "s2"], ["r", "t3", "s3"], ["r", "h", "w"]])

  /// Tucker with reshaped channels.
  public static let reshapedTucker = Form(
    name: "rtk",
    factors: [
      ["r1", "t1", "s1"], ["r2", "t2", "s2"], ["r3", "t3", "s3"], ["r0", "h", "w"],
      ["r0", "r1", "r2", "r3"],
    ])

  /// Tensor train with reshaped channels.
  public static let reshapedTensorTrain = Form(
    name: "rtt",
    factors: [
      ["r1", "t1", "s1"], ["r1", "r2", "t2", "s2"], ["r2", "r3", "t3", "s3"], ["r3", "h", "w"],
    ])

  /// Tensor ring with reshaped channels.
  public static let reshapedTensorRing = Form(
    name: "rtr",
    factors: [
      ["r0", "r1", "t1", "s1"], ["r1", "r2", "t2", "s2"], ["r2", "r3", "t3", "s3"],
      ["r3", "r0", "h", "w"],
    ])

  /// Every form, in the order in which help and messages list them.
  public static let all: [Form] = [
    dense, cp, tucker, tensorTrain, tensorRing, blockTerm, reshapedCP, reshapedTucker,
    reshapedTensorTrain, reshapedTensorRing,
  ]

  /// The form of a name in any case.
  ///
  /// - Throws: `NetworkError.unknownForm`.
  public static func named(_ name: String) throws -> Form {
    guard let form = all.first(where: { $0.name.lowercased() == name.lowercased() }) else {
      throw NetworkError.unknownForm(name: name, known: all.map(\.name))
    }
    return form
  }
}
