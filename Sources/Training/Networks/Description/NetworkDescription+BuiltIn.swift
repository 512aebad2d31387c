/// The networks that there are from the start.
extension NetworkDescription {
  /// What a residual network begins with.
  public enum Stem: String, Hashable, Sendable, CaseIterable {
    /// A 3×3 convolution: for images of up to 64 × 64.
    case small
    /// A 7×7 convolution of stride 2, and a 3×3 maximum of stride 2.
    case large

    /// What images of these extents usually get.
    public static func usual(for extents: [Int]) -> Stem {
      extents.allSatisfy { $0 <= 64 } ? .small : .large
    }
  }

  /// The demo network: a dense 3×3 convolution to 32 channels, three 3×3 convolutions in a form to
  /// 64, 128 and 128, each with batch normalisation and ReLU, the second and third followed by a
  /// maximum over 2×2 pixels; then the mean over all pixels, and a linear layer.
  public static func demo(
    factorization: Factorization = Factorization("cp", compression: 0.1)
  ) -> NetworkDescription {
    func convolution(
      _ number: Int, _ channels: Int, _ factorization: Factorization, pool: Bool = false
    ) -> [LayerDescription] {
      let settings = ConvolutionSettings(
        channels: channels, kernel: 3, factorization: factorization)
      return [
        .convolution(settings).named("conv\(number)"), .norm(.batch).named("norm\(number)"),
        .relu.named("relu\(number)"),
      ] + (pool ? [.maxPool(2).named("pool\(number)")] : [])
    }
    var network = NetworkDescription(
      convolution(1, 32, .dense) + convolution(2, 64, factorization, pool: true)
        + convolution(3, 128, factorization, pool: true) + convolution(4, 128, factorization)
        + [
          .globalMean.named("pool4"),
          .linear(LinearSettings(initialization: .normal)).named("linear"),
        ])
    network.naming = .roles
    return network
  }

  /// ResNet-18 (He and others, arXiv 1512.03385), layers and names as torchvision's.
  ///
  /// - Parameter factorization: Of the 3×3 convolutions of all blocks.
  public static func resnet18(
    stem: Stem = .small, factorization: Factorization = .dense
  ) -> NetworkDescription {
    resnet(stem, channels: 64, blocks: [2, 2, 2, 2]) { basicBlock($0, $1, $2, factorization) }
  }

  /// ResNet-20 (section 4.2 of the same): three stages of 16, 32 and 64 channels.
  ///
  /// - Parameter factorization: Of the 3×3 convolutions of all blocks.
  public static func resnet20(
    stem: Stem = .small, factorization: Factorization = .dense
  ) -> NetworkDescription {
    resnet(stem, channels: 16, blocks: [3, 3, 3]) { basicBlock($0, $1, $2, factorization) }
  }

  /// ResNet-34, layers and names as torchvision's.
  ///
  /// - Parameter factorization: Of the 3×3 convolutions of all blocks.
  public static func resnet34(
    stem: Stem = .small, factorization: Factorization = .dense
  ) -> NetworkDescription {
    resnet(stem, channels: 64, blocks: [3, 4, 6, 3]) { basicBlock($0, $1, $2, factorization) }
  }

  /// ResNet-50 with the stride in the 3×3 convolutions, layers and names as torchvision's.
  ///
  /// - Parameter factorization: Of the three convolutions of all blocks.
  public static func resnet50(
    stem: Stem = .small, factorization: Factorization = .dense
  ) -> NetworkDescription {
    resnet(stem, channels: 64, blocks: [3, 4, 6, 3]) { bottleneck($0, $1, $2, factorization) }
  }

  /// - Parameter block: Makes one from the channels that come in, those of the stage, and the
  ///   stride; gives its layers, and how many channels go out.
  private static func resnet(
    _ stem: Stem, channels: Int, blocks: [Int],
    block: (Int, Int, Int) -> (layers: [LayerDescription], channels: Int)
  ) -> NetworkDescription {
    let large = stem == .large
    var layers = [
      convolution("conv1", channels, kernel: large ? 7 : 3, stride: large ? 2 : 1),
      .norm(.batch).named("bn1"), .relu.named("relu"),
    ]
    if large { layers.append(.maxPool(3, stride: 2, padding: 1).named("maxpool")) }
    var width = channels
    for (stage, count) in blocks.enumerated() {
      var stageLayers: [LayerDescription] = []
      for number in 0..<count {
        let stride = stage > 0 && number == 0 ? 2 : 1
        let made = block(width, channels << stage, stride)
        stageLayers.append(.sequence(made.layers).named("\(number)"))
        width = made.channels
      }
      layers.append(.sequence(stageLayers).named("layer\(stage + 1)"))
    }
    return NetworkDescription(
      layers + [.globalMean.named("avgpool"), .linear().named("fc")])
  }

  /// Dense kernels are drawn with the variance 2/fan-out.
  private static func convolution(
    _ name: String, _ channels: Int, kernel: Int, stride: Int = 1,
    _ factorization: Factorization = .dense
  ) -> LayerDescription {
    .convolution(
      ConvolutionSettings(
        channels: channels, kernel: kernel, stride: stride, factorization: factorization,
        initialization: .fanOut)
    ).named(name)
  }

  /// A shortcut that changes channels or extents is a 1×1 convolution.
  private static func shortcut(
    _ inputs: Int, _ outputs: Int, _ stride: Int
  ) -> [LayerDescription] {
    guard stride != 1 || inputs != outputs else { return [] }
    let layers = [
      convolution("0", outputs, kernel: 1, stride: stride), .norm(.batch).named("1"),
    ]
    return [.sequence(layers).named("downsample")]
  }

  private static func basicBlock(
    _ inputs: Int, _ channels: Int, _ stride: Int, _ factorization: Factorization
  ) -> (layers: [LayerDescription], channels: Int) {
    let main = [
      convolution("conv1", channels, kernel: 3, stride: stride, factorization),
      .norm(.batch).named("bn1"), .relu.named("relu1"),
      convolution("conv2", channels, kernel: 3, factorization), .norm(.batch).named("bn2"),
    ]
    let residual = LayerDescription.residual(
      main: main, shortcut: shortcut(inputs, channels, stride))
    return ([residual, .relu.named("relu2")], channels)
  }

  private static func bottleneck(
    _ inputs: Int, _ channels: Int, _ stride: Int, _ factorization: Factorization
  ) -> (layers: [LayerDescription], channels: Int) {
    let main = [
      convolution("conv1", channels, kernel: 1, factorization),
      .norm(.batch).named("bn1"), .relu.named("relu1"),
      convolution("conv2", channels, kernel: 3, stride: stride, factorization),
      .norm(.batch).named("bn2"), .relu.named("relu2"),
      convolution("conv3", 4 * channels, kernel: 1, factorization), .norm(.batch).named("bn3"),
    ]
    let residual = LayerDescription.residual(
      main: main, shortcut: shortcut(inputs, 4 * channels, stride))
    return ([residual, .relu.named("relu3")], 4 * channels)
  }
}
