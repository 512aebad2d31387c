import Testing

@testable import Training

/// Every message of a network in a configuration that cannot be read, as it is shown.
@Suite struct LayerReadingErrorTests {
  static let cases: [(layers: String, message: String)] = [
    ("relux", "run.yaml:1: model.layers[0]: there is no layer 'relux'; did you mean 'relu'?"),
    (
      "relu, {convoluton: {}}",
      "run.yaml:1: model.layers[1]: there is no layer 'convoluton'; did you mean 'convolution'?"
    ),
    (
      "{convolution: {channels: 3, kernal: 3}}",
      "run.yaml:1: there is no key 'model.layers[0].convolution.kernal'; did you mean "
        + "'model.layers[0].convolution.kernel'?"
    ),
    (
      "{convolution: {channels: 3}}",
      "run.yaml:1: there is no model.layers[0].convolution.kernel; expected the kernel's extent, "
        + "such as 3"
    ),
    (
      "convolution",
      "run.yaml:1: there is no model.layers[0].convolution.channels; expected how many channels go out"
    ),
    (
      "{convolution: {channels: many, kernel: 3}}",
      "run.yaml:1: model.layers[0].convolution.channels is many; expected an integer from 1 to "
        + "16777216"
    ),
    (
      "{convolution: {channels: 3, kernel: {h: 3}}}",
      "run.yaml:1: model.layers[0].convolution.kernel is a mapping; expected an integer from 1 to "
        + "16777216, or a list of such"
    ),
    (
      "{convolution: {channels: 3, kernel: []}}",
      "run.yaml:1: model.layers[0].convolution.kernel is a list; expected an integer from 1 to "
        + "16777216, or a list of such"
    ),
    (
      "{convolution: {channels: 3, kernel: 3, padding: some}}",
      "run.yaml:1: model.layers[0].convolution.padding is some; expected same, valid, full, an "
        + "integer from 0 to 1048576, or two such as 1:2"
    ),
    (
      "{convolution: {channels: 3, kernel: 3, form: cpp}}",
      "run.yaml:1: model.layers[0].convolution.form is cpp; expected one of dense, cp, tk, tt, tr, "
        + "bt, rcp, rtk, rtt, rtr, ht"
    ),
    (
      "{convolution: {channels: 3, kernel: 3, form: cp}}",
      "run.yaml:1: there is no model.layers[0].convolution.compression; expected parameters / "
        + "parameters of the dense form, such as 0.1 (or rank)"
    ),
    (
      "{convolution: {channels: 3, kernel: 3, form: cp, rank: 3, compression: 0.1}}",
      "run.yaml:1: model.layers[0].convolution.rank is 3; expected no value beside compression; "
        + "leave one of them out"
    ),
    (
      "{convolution: {channels: 3, kernel: 3, rank: 3}}",
      "run.yaml:1: model.layers[0].convolution.rank is 3; expected no value without a form; set "
        + "form too, or leave it out"
    ),
    (
      "{linear: {outputs: class}}",
      "run.yaml:1: model.layers[0].linear.outputs is class; expected classes, or an integer from 1 "
        + "to 16777216"
    ),
    (
      "{norm: bach}",
      "run.yaml:1: model.layers[0].norm is bach; expected one of batch, layer, group"
    ),
    (
      "{norm: {kind: group}}",
      "run.yaml:1: there is no model.layers[0].norm.groups; expected how many groups of channels"
    ),
    (
      "{norm: {kind: layer, groups: 2}}",
      "run.yaml:1: model.layers[0].norm.groups is 2; expected no value beside kind batch or layer; "
        + "leave it out"
    ),
    (
      "{dropout: 1}",
      "run.yaml:1: model.layers[0].dropout is 1; expected a number from 0, below 1"
    ),
    (
      "{relu: {slope: 1}}",
      "run.yaml:1: there is no key 'model.layers[0].relu.slope'; did you mean "
        + "'model.layers[0].relu.name'?"
    ),
    (
      "{relu: 3}", "run.yaml:1: model.layers[0].relu is 3; expected a mapping of name"
    ),
    (
      "{relu: {}, norm: batch}",
      "run.yaml:1: model.layers[0] is a mapping; expected one layer: a word such as relu, or one "
        + "mapping such as {maxPool: {window: 2}}"
    ),
    (
      "{branch: {branches: [[relu]]}}",
      "run.yaml:1: there is no model.layers[0].branch.join; expected sum or concatenate"
    ),
    (
      "{residual: {main: relu}}",
      "run.yaml:1: model.layers[0].residual.main is relu; expected a list of layers"
    ),
    (
      "{residual: {main: [{maxPool: -2}]}}",
      "run.yaml:1: model.layers[0].residual.main[0].maxPool is -2; expected an integer from 1 to "
        + "16777216"
    ),
    (
      "{einsum: {expression: 'bs->b', parameters: [{name: a.b, shape: [1]}]}}",
      "run.yaml:1: model.layers[0].einsum.parameters[0].name is a.b; expected a name of letters, "
        + "digits and _"
    ),
    (
      "{einsum: {expression: 'bs->b', parameters: [{name: a, shape: 1}]}}",
      "run.yaml:1: model.layers[0].einsum.parameters[0].shape is 1; expected extents such as "
        + "[64, 32]"
    ),
    (
      "{einsum: {expression: 'bs->b', parameters: [{name: a, shape: [1], initialization: {}}]}}",
      "run.yaml:1: model.layers[0].einsum.parameters[0].initialization is a mapping; expected one of "
        + "{normal: deviation}, {uniform: bound}, {constant: number}"
    ),
    (
      "{einsum: {expression: 'bs->b', roles: {s: sideways}}}",
      "run.yaml:1: model.layers[0].einsum.roles.s is sideways; expected one of batch, time, space, "
        + "channel, other"
    ),
  ]

  @Test(arguments: cases.indices) func messagesNameThePlaceAndWhatIsExpected(index: Int) {
    let (layers, expected) = Self.cases[index]
    #expect(Self.message("model: {layers: [\(layers)]}") == expected)
  }

  static func message(_ yaml: String, overrides: [String] = []) -> String {
    do {
      _ = try TrainingConfiguration(yaml: yaml, source: "run.yaml", overrides: overrides)
      return "no error"
    } catch {
      return "\(error)"
    }
  }

  @Test func linesAreThoseOfTheValues() {
    let yaml =
      "model:\n  layers:\n    - relu\n    - maxPool:\n        window: 2\n        strid: 3\n"
    #expect(
      Self.message(yaml) == "run.yaml:6: there is no key 'model.layers[1].maxPool.strid'; did you "
        + "mean 'model.layers[1].maxPool.stride'?")
  }

  @Test func otherKeysOfTheModel() {
    for (yaml, message) in [
      (
        "model: {network: resnet19}",
        "run.yaml:1: model.network is resnet19; expected one of demo, resnet18, resnet20, resnet34, "
          + "resnet50"
      ),
      (
        "model: {stem: tiny}",
        "run.yaml:1: model.stem is tiny; expected one of small, large, or null"
      ),
      (
        "model: {layers: relu}", "run.yaml:1: model.layers is relu; expected a list of layers"
      ),
      (
        "model: {factorize: cp}",
        "run.yaml:1: model.factorize is cp; expected a list of mappings such as {layer4.*: {form: "
          + "cp, compression: 0.1}}"
      ),
      (
        "model: {factorize: [{conv1: {compression: 0.1}}]}",
        "run.yaml:1: there is no model.factorize[0].conv1.form; expected a form such as cp"
      ),
      (
        "model: {factorize: {conv1: {form: cp, compression: 11}}}",
        "run.yaml:1: model.factorize.conv1.compression is 11; expected a number above 0, at most 10"
      ),
    ] {
      #expect(Self.message(yaml) == message)
    }
    #expect(
      Self.message("", overrides: ["model.layers=[relux]"])
        == "--set: model.layers[0]: there is no layer 'relux'; did you mean 'relu'?")
    #expect(
      Self.message("", overrides: ["model.layers=[relu"]).hasPrefix("--set: model.layers: "))
    #expect(
      Self.message("", overrides: ["model.layers="]) == "no error")
  }

  @Test func valuesThatAreTooDeepAreRefused() {
    let yaml =
      "model: {layers: " + String(repeating: "[{sequence: ", count: 60) + "[relu]"
      + String(repeating: "}]", count: 60) + "}"
    #expect(
      Self.message(yaml)
        == "run.yaml:1: model.layers is too deep; expected lists and mappings at most 100 deep")
  }
}
