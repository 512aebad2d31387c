import Convoy
import Foundation

/// A value of JSON that may be missing, and then is null, not left out.
struct OrNull<Value: Encodable>: Encodable {
  let value: Value?

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if let value { try container.encode(value) } else { try container.encodeNil() }
  }
}

/// The layers of a network with their costs: the JSON of `convoy describe --json`, and its table.
struct NetworkReport: Encodable {
  struct Layer: Encodable {
    let name: String
    let kind: String
    /// Nothing of a layer without a contraction.
    let expression: OrNull<String>
    /// The output's shape.
    let output: [Int]
    let parameters: Int
    /// The form and its rank, of a layer that is factorised.
    let form: String?
    let rank: Int?
    /// Parameters of the factors / parameters of the dense kernel.
    let compression: Double?
    let macs: Count
    let leftToRightMacs: Count
    /// Elements of the output.
    let activations: Count
    let seconds: Double
    /// The layers before it, by their places; the network's input is `nil`.
    let inputs: [Int?]
  }

  /// A whole training step.
  struct Step {
    let sharding: Sharding
    /// Of each rank.
    let threads: Int
    let prediction: StepPrediction
  }

  private enum CodingKeys: String, CodingKey {
    case layers, parameters, macs, leftToRightMacs, activations, forwardSeconds
    case ranks, threads, peakBytesPerRank, bytesReceivedPerRank, seconds
  }

  let layers: [Layer]
  let parameters: Int
  let macs: Count
  let leftToRightMacs: Count
  let activations: Count
  /// Of the layers' contractions, forward, on one thread.
  let forwardSeconds: Double
  let ranks: Int
  let threads: Int
  let peakBytesPerRank: [Int]
  let bytesReceivedPerRank: [Int]
  /// Of a training step on the rank that takes longest, on one thread.
  let seconds: Double
  private let sharding: Sharding

  init(_ network: NetworkGraph, costs: [LayerCost], step: Step) {
    sharding = step.sharding
    ranks = step.sharding.ranks
    threads = step.threads
    peakBytesPerRank = step.prediction.peakBytesPerRank
    bytesReceivedPerRank = step.prediction.receivedBytesPerRank
    seconds = step.prediction.seconds
    layers = zip(network.layers, costs).map { layer, cost in
      Layer(
        name: layer.name, kind: layer.kind, expression: OrNull(value: layer.expression),
        output: layer.outputShape, parameters: layer.parameterCount, form: layer.factors?.form,
        rank: layer.factors?.rank, compression: layer.factors?.compression,
        macs: Count(cost.macs), leftToRightMacs: Count(cost.leftToRightMacs),
        activations: Count(layer.outputShape.reduce(1.0) { $0 * Double($1) }),
        seconds: cost.seconds, inputs: layer.inputs)
    }
    parameters = network.parameterCount
    macs = Count(costs.reduce(0) { $0 + $1.macs })
    leftToRightMacs = Count(costs.reduce(0) { $0 + $1.leftToRightMacs })
    activations = Count(layers.reduce(0) { $0 + $1.activations.value })
    forwardSeconds = costs.reduce(0) { $0 + $1.seconds }
  }

  /// A line for each layer, one with the totals, and what a training step takes.
  var table: String {
    let head = [
      "layer", "output", "parameters", "compression", "macs", "left to right", "ratio",
      "activations", "time", "computes",
    ]
    let rows = layers.map { layer in
      [
        layer.name, layer.output.map(String.init).joined(separator: "x"),
        layer.parameters == 0 ? "-" : countText(Double(layer.parameters)),
        layer.compression.map { String(format: "%.4f", $0) } ?? "-",
      ] + Self.costs(layer.macs, layer.leftToRightMacs) + [
        countText(layer.activations.value),
        layer.expression.value == nil ? "-" : secondsText(layer.seconds), layer.computes,
      ]
    }
    let totals =
      ["total", "", countText(Double(parameters)), ""] + Self.costs(macs, leftToRightMacs)
      + [countText(activations.value), secondsText(forwardSeconds), ""]
    let lines = alignedTable([head] + rows + [totals], leftAligned: [0, 1])
      .map { $0.trimmingSuffix(" ") }
    return (lines + [""] + stepLines).joined(separator: "\n")
  }

  private var stepLines: [String] {
    let grid = ranks == 1 ? "1 rank" : "\(ranks) ranks, \(sharding)"
    return [
      "training step   \(secondsText(seconds)) on \(grid)",
      "peak memory     \(Self.range(peakBytesPerRank)), "
        + "\(threads) thread\(threads == 1 ? "" : "s") each",
      "received        \(Self.range(bytesReceivedPerRank))",
    ]
  }

  private static func range(_ bytes: [Int]) -> String {
    let (least, most) = (bytes.min() ?? 0, bytes.max() ?? 0)
    let text = "\(countText(Double(most))) bytes"
    return least == most
      ? "\(text) on every rank"
      : "at most \(text) on a rank, at least \(countText(Double(least)))"
  }

  /// The best order, from left to right, and how many times as many that is.
  private static func costs(_ macs: Count, _ leftToRight: Count) -> [String] {
    guard macs.value > 0 else { return ["-", "-", "-"] }
    return [
      countText(macs.value), countText(leftToRight.value),
      ratioText(leftToRight.value / macs.value),
    ]
  }
}

extension NetworkReport.Layer {
  /// The expression, or the kind of a layer that has none.
  var computes: String {
    guard let expression = expression.value else { return kind }
    return form.map { "\($0), rank \(rank ?? 1): \(expression)" } ?? expression
  }
}

extension String {
  fileprivate func trimmingSuffix(_ character: Character) -> String {
    var text = self[...]
    while text.last == character { text.removeLast() }
    return String(text)
  }
}
