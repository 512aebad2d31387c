import Graph
import Planning
import Testing

@testable import Training

/// Every message of what cannot be made, as it is shown.
@Suite struct LayerErrorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var layers: [LayerDescription]
    var extents = [8, 8]
    var factorize: [FactorizationRule] = []
    var message: String

    var testDescription: String { message }
  }

  private static func convolution(
    _ change: (inout ConvolutionSettings) -> Void
  ) -> LayerDescription {
    var settings = ConvolutionSettings(channels: 8, kernel: 3)
    change(&settings)
    return .convolution(settings).named("conv")
  }

  private static func einsum(
    _ expression: String, _ shapes: [[Int]], roles: [String: AxisRole] = [:]
  )
    -> LayerDescription
  {
    var settings = EinsumSettings(expression)
    settings.parameters = shapes.enumerated().map { .init("w\($0)", shape: $1) }
    settings.roles = roles
    return .einsum(settings).named("mix")
  }

  static let cases = [
    Case(
      layers: [.relu.named("a b")],
      message: """
        a layer is named "a b"; a name is made of letters, digits, _ and -, and has at least one
        """),
    Case(
      layers: [.sequence([.relu.named("a"), .relu.named("a")]).named("top")],
      message: "two layers are named top.a; give them different names, or none"),
    Case(
      layers: [convolution { $0.channels = 0 }],
      message: "conv: channels is 0, expected 1 to 16777216"),
    Case(
      layers: [convolution { $0.stride = [0] }],
      message: "conv: stride is 0, expected 1 to 1048576"),
    Case(
      layers: [convolution { $0.padding = [.explicit(low: -1, high: 0)] }],
      message: "conv: padding is -1, expected 0 to 1048576"),
    Case(
      layers: [convolution { $0.kernel = [3, 3, 3] }],
      message: """
        conv: kernel has 3 entries for an input of shape [2, 8, 8, 4]; give one, or one for each of \
        its 2 axes between samples and channels
        """),
    Case(
      layers: [convolution { $0.dimensions = 1 }],
      message: """
        conv: a convolution goes over 1 axis between samples and channels, but the input has shape \
        [2, 8, 8, 4]
        """),
    Case(
      layers: [.flatten, .maxPool(2)],
      message: """
        pool1: a maxPool goes over one to three axes between samples and channels, but the input has \
        shape [2, 256]
        """),
    Case(
      layers: [convolution { $0.groups = 3 }],
      message: "conv: groups is 3, which does not divide both its 4 input and 8 output channels"),
    Case(
      layers: [.norm(.group(3)).named("norm")],
      message: "norm: groups is 3, which does not divide both its 4 input and 4 output channels"),
    Case(
      layers: [
        convolution {
          $0.interleavedGroups = 2
          $0.groups = 2
        }
      ],
      message: "conv: interleavedGroups is a form of its own; leave groups out"),
    Case(
      layers: [
        convolution {
          $0.interleavedGroups = 2
          $0.factorization = Factorization("cp", rank: 1)
        }
      ],
      message: "conv: interleavedGroups is a form of its own; leave form out"),
    Case(
      layers: [convolution { $0.factorization = Factorization("cpp", rank: 1) }],
      message: """
        conv: there is no form "cpp"; the forms are dense, cp, tk, tt, tr, bt, rcp, rtk, rtt, rtr, ht
        """),
    Case(
      layers: [convolution { $0.factorization = Factorization("cp", rank: 0) }],
      message: "conv: rank is 0, expected 1 to 65536"),
    Case(
      layers: [convolution { $0.factorization = Factorization("cp", compression: .nan) }],
      message: """
        conv: the compression of form cp is nan, but must be greater than 0 and at most 10.0; it is \
        the layer's parameters divided by those of the dense kernel, e.g. 0.1
        """),
    Case(
      layers: [
        convolution {
          $0.channels = 1 << 24
          $0.kernel = [1 << 20]
        }
      ],
      message: """
        conv: a kernel of [16777216, 4, 1048576, 1048576] has too many elements; use fewer channels
        """),
    Case(
      layers: [einsum("bhws,st,tu->bhwu", [[4, 8]])],
      message: """
        mix: bhws,st,tu->bhwu has 2 operands besides the input, but there is 1 parameter
        """),
    Case(
      layers: [einsum("bhws,st->bhwt", [[4, 8]], roles: ["q": .space])],
      message: "mix: roles names the mode \"q\", which bhws,st->bhwt has not"),
    Case(
      layers: [einsum("bhws->", [])],
      message: """
        mix: the result of bhws-> has no axes; expected samples first and channels last: change the \
        order, or roles
        """),
    Case(
      layers: [einsum("bhws,su->buwh", [[4, 2]])],
      message: """
        mix: the result of bhws,su->buwh has axes of batch, channel, space, space; expected samples \
        first and channels last: change the order, or roles
        """),
    Case(
      layers: [.dropout(1)], message: "dropout1: rate is 1.0, expected from 0, below 1"),
    Case(
      layers: [.repetition(0, [.relu])],
      message: "repeat1: count is 0, expected 1 to 10000"),
    Case(
      layers: [.repetition(200, [.repetition(200, [.relu])])],
      message: """
        the network has more than 10000 layers; use fewer, or lower the count of a repeat
        """),
    Case(
      layers: [(0..<100).reduce(LayerDescription.relu) { layer, _ in .sequence([layer]) }],
      message: """
        layers stand within layers more than 64 deep; put them one after the other
        """),
    Case(
      layers: [.relu], factorize: [FactorizationRule("conv*", .dense)],
      message: """
        factorize: no convolution and no linear layer is named as "conv*" says; they are head
        """),
    Case(
      layers: [.residual(main: [convolution { _ in }])],
      message: """
        node "add1" (add): input 1 has shape [2, 8, 8, 4], expected [2, 8, 8, 8]
          inputs: conv float32 [2, 8, 8, 8], images float32 [2, 8, 8, 4]
        Fix: give input 1 the shape [2, 8, 8, 8]
        """),
  ]

  @Test(arguments: cases) func messagesNameTheLayerAndTheShapes(_ example: Case) {
    let message = Described.message(
      layers: example.layers, extents: example.extents, factorize: example.factorize)
    #expect(message == example.message)
  }

  @Test func anExpressionSaysItselfWhatDoesNotFit() {
    let message = Described.message(layers: [Self.einsum("bhws,st->bhwt", [[5, 8]])])
    #expect(message.hasPrefix("node \"mix\" (contraction bhws,st->bhwt *:kind=correlation):"))
    #expect(message.contains("images float32 [2, 8, 8, 4], mix.w0 float32 [5, 8]"))
    let wrong = Described.message(layers: [Self.einsum("bhw3->b", [])])
    #expect(wrong.hasPrefix("node \"mix\" (contraction): found '3'"))
  }

  @Test func theOutputIsOneNumberForEachClass() {
    let input = NetworkInput(batch: 2, extents: [8, 8], channels: 3)
    #expect(
      throws: LayerError.output(layer: "relu1", shape: [2, 8, 8, 3], classes: 10)
    ) {
      try NetworkDescription([.relu]).graph(input, classes: 10, mode: .training)
    }
    #expect(throws: LayerError.noLayers) {
      try NetworkDescription([]).graph(input, classes: 10, mode: .training)
    }
    #expect(
      "\(LayerError.output(layer: "relu1", shape: [2, 8, 8, 3], classes: 10))" == """
        relu1, the last layer, has the output [2, 8, 8, 3], expected one number for each of 10 \
        classes of each sample, such as [2, 10]; end with globalMean and linear
        """)
    #expect("\(LayerError.noLayers)" == "the network has no layers; give it at least one")
  }

  @Test func theInputHasItsAxesInOrder() {
    for axes in [
      [Axis("c", .channel, 3), Axis("b", .batch, 2)], [Axis("b", .batch, 2)], [],
      [Axis("b", .batch, 2), Axis("x", .other, 4), Axis("c", .channel, 3)],
    ] {
      #expect(throws: LayerError.input(roles: axes.map(\.role.rawValue))) {
        try NetworkDescription.demo().graph(
          NetworkInput(axes: axes), classes: 10, mode: .training)
      }
    }
    #expect(
      "\(LayerError.input(roles: ["channel", "batch"]))" == """
        the input has axes of channel, batch; expected samples first, channels last, and up to three \
        of space or time between them
        """)
  }
}
