import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// `describe`: the table, the JSON and the drawing of networks, and what is wrong with others.
@Suite struct DescribeTests {
  struct Report: Decodable {
    struct Layer: Decodable {
      var name: String
      var kind: String
      var expression: String?
      var output: [Int]
      var parameters: Int
      var form: String?
      var rank: Int?
      var compression: Double?
      var macs: Int
      var leftToRightMacs: Int
      var activations: Int
      var seconds: Double
      var inputs: [Int?]
    }

    var layers: [Layer]
    var parameters: Int
    var macs: Int
    var leftToRightMacs: Int
    var activations: Int
    var forwardSeconds: Double
    var ranks: Int
    var threads: Int
    var peakBytesPerRank: [Int]
    var bytesReceivedPerRank: [Int]
    var seconds: Double
  }

  static let own = """
    model:
      layers:
        - convolution: {channels: 8, kernel: 3}
        - norm: batch
        - residual:
            main: [{convolution: {channels: 8, kernel: 3, form: cp, rank: 2}}, relu]
        - globalMean
        - linear
    data: {kind: synthetic, height: 8, width: 8, channels: 2, classes: 3}
    training: {batchSize: 4}
    """

  static func folder() throws -> TestFolder {
    let folder = try TestFolder()
    try folder.write("own.yaml", own)
    try folder.write(
      "resnet.yaml",
      """
      model: {network: resnet20}
      data: {kind: synthetic, height: 32, width: 32, channels: 3}
      training: {batchSize: 2}
      """)
    return folder
  }

  static func report(_ arguments: [String]) throws -> Report {
    let run = try Convoy.run(["describe"] + arguments + ["--json"], in: folder())
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(run.errors == "")
    return try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
  }

  /// 4·8·8 places with 9·2 taps to 8 channels; CP: 8 to 2, 3 and 3 taps of 2, 2 to 8; 4·8·3.
  @Test func theJSONHasTheNumbersWorkedOutByHand() throws {
    let report = try Self.report(["own.yaml"])
    #expect(
      report.layers.map(\.name) == [
        "conv1", "norm1", "conv2", "relu1", "add1", "pool1", "linear1",
      ])
    #expect(
      report.layers.map(\.kind) == [
        "convolution", "norm", "convolution", "relu", "sum", "globalMean", "linear",
      ])
    #expect(
      report.layers.map(\.expression) == [
        "bhws,tshw->bhwt|hw", nil, "bhws,rt,rs,rh,rw->bhwt|hw", nil, nil, nil, "bs,ts->bt",
      ])
    #expect(report.layers.map(\.parameters) == [144, 16, 2 * (8 + 8 + 3 + 3), 0, 0, 0, 27])
    #expect(
      report.layers.map(\.output) == [
        [4, 8, 8, 8], [4, 8, 8, 8], [4, 8, 8, 8], [4, 8, 8, 8], [4, 8, 8, 8], [4, 8], [4, 3],
      ])
    #expect(report.layers[0].macs == 256 * 18 * 8)
    #expect(report.layers[2].macs <= 256 * (16 + 6 + 6 + 16))
    #expect(report.layers[2].macs < report.layers[2].leftToRightMacs)
    #expect(report.layers[6].macs == 4 * 8 * 3)
    #expect(report.layers.map(\.macs).reduce(0, +) == report.macs)
    #expect(report.layers.map(\.leftToRightMacs).reduce(0, +) == report.leftToRightMacs)
    #expect(report.layers.map(\.activations) == [2048, 2048, 2048, 2048, 2048, 32, 12])
    #expect(report.activations == 5 * 2048 + 44)
    #expect(report.parameters == 144 + 16 + 44 + 27)
    #expect(report.layers.allSatisfy { ($0.seconds > 0) == ($0.expression != nil) })
    #expect(report.forwardSeconds > 0)
    #expect(report.layers[2].form == "cp" && report.layers[2].rank == 2)
    #expect(report.layers[2].compression == 44.0 / 576)
    #expect(report.layers[4].inputs == [3, 1])
    #expect(report.layers[0].inputs == [nil])
  }

  @Test func everyKeyIsThereWhereItHasNoValue() throws {
    let run = try Convoy.run(["describe", "own.yaml", "--json"], in: Self.folder())
    #expect(run.output.contains("\"expression\" : null"))
  }

  @Test func builtInNetworksOverABatch() throws {
    let report = try Self.report(["resnet.yaml"])
    #expect(report.parameters == 272_474)
    #expect(report.macs == 2 * 40_813_184)
    let small = try Self.report(["resnet.yaml", "--set", "model.network=resnet18"])
    #expect(small.parameters == 11_173_962)
    #expect(small.macs == 2 * 555_422_720)
    let compressed = try Self.report([
      "resnet.yaml", "--set", "model.network=resnet34", "--set", "model.form=cp",
    ])
    #expect(compressed.parameters == 2_297_774)
    #expect(compressed.macs < compressed.leftToRightMacs)
    let single = try Self.report([
      "resnet.yaml", "--set", "model.factorize={layer3.*: {form: cp, compression: 0.1}}",
    ])
    #expect(single.layers.count { $0.form == "cp" } == 7)
  }

  @Test func theTableHasALineForEachLayerAndTotals() throws {
    let run = try Convoy.run(["describe", "own.yaml"], in: Self.folder())
    #expect(run.code == 0 && run.errors == "")
    let lines = run.output.split(separator: "\n").map { line in
      line.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
    }
    #expect(lines.count == 12)
    #expect(lines[0].first == "layer" && lines[0].last == "computes")
    #expect(lines[1].prefix(4) == ["conv1", "4x8x8x8", "144", "-"])
    #expect(lines[3].contains("0.0764"))
    #expect(run.output.contains("cp, rank 2: bhws,rt,rs,rh,rw->bhwt|hw"))
    #expect(lines[8].prefix(2) == ["total", "231"])
    #expect(lines[9].prefix(2) == ["training", "step"])
    #expect(run.output.contains(" on 1 rank\npeak memory     "))
    #expect(run.output.contains(" bytes on every rank, "))
    #expect(run.output.contains("\nreceived        0 bytes on every rank\n"))
    #expect(!run.output.contains(" \n"))
  }

  // MARK: Training steps

  /// A rank alone receives nothing, and holds images, labels and what is trained at least.
  @Test func aStepOnOneRank() throws {
    let report = try Self.report(["own.yaml", "--threads", "1"])
    #expect(report.ranks == 1 && report.threads == 1)
    #expect(report.bytesReceivedPerRank == [0])
    #expect(report.peakBytesPerRank.count == 1)
    // Images, labels; parameters and momentum; the first layer's output, kept for the way back.
    let least = 4 * 4 * 8 * 8 * 2 + 4 * 4 + 2 * 4 * report.parameters + 4 * 4 * 8 * 8 * 8
    #expect(report.peakBytesPerRank[0] > least)
    #expect(report.seconds > report.forwardSeconds)
  }

  /// Gradients of all parameters are summed in one piece, with the sums over samples of a normalisation: each rank
  /// receives at least 2(P − 1)/P of their bytes in all.
  @Test(arguments: [2, 3, 5, 64]) func aStepOnRanks(ranks: Int) throws {
    let alone = try Self.report(["own.yaml", "--threads", "1"])
    let report = try Self.report(["own.yaml", "--ranks", "\(ranks)", "--threads", "1"])
    #expect(report.ranks == ranks)
    #expect(report.peakBytesPerRank.count == ranks && report.bytesReceivedPerRank.count == ranks)
    #expect(report.macs == alone.macs && report.layers.map(\.macs) == alone.layers.map(\.macs))
    let received = report.bytesReceivedPerRank.reduce(0, +)
    #expect(received >= 2 * (ranks - 1) * 4 * report.parameters)
    #expect((report.peakBytesPerRank.max() ?? 0) < alone.peakBytesPerRank[0])
    // Four samples: the ranks beyond have none.
    #expect((report.peakBytesPerRank.min() ?? 0) <= (report.peakBytesPerRank.max() ?? 0))
    let run = try Convoy.run(["describe", "own.yaml", "--ranks", "\(ranks)"], in: Self.folder())
    #expect(run.output.contains(" on \(ranks) ranks, \(ranks) × 1 (batch × rows)\n"))
  }

  @Test func threadsOfARankHaveMemoryOfTheirOwn() throws {
    let one = try Self.report(["resnet.yaml", "--threads", "1"])
    let four = try Self.report(["resnet.yaml", "--threads", "4"])
    #expect(four.threads == 4)
    #expect(four.peakBytesPerRank[0] > one.peakBytesPerRank[0])
  }

  /// Two samples on 4 ranks: rows are cut too.
  @Test func ranksShareRowsWhereTheConfigurationSaysSo() throws {
    let run = try Convoy.run(
      ["describe", "resnet.yaml", "--ranks", "4", "--set", "training.parallelism=auto"],
      in: Self.folder())
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(run.output.contains(" on 4 ranks, 2 × 2 (batch × rows)\n"))
  }

  @Test func aSlowerMachineTakesLonger() throws {
    let folder = try Self.folder()
    try folder.write(
      "slow.json",
      """
      {"name": "slow", "flopsPerSecond": 1e9, "memoryBytesPerSecond": 1e9, "ranksPerNode": 1,
      "threadsPerRank": 1, "insideNode": {"latencySeconds": 1e-3, "bytesPerSecond": 1e6},
      "betweenNodes": {"latencySeconds": 1e-3, "bytesPerSecond": 1e6}}
      """)
    func seconds(_ arguments: [String]) throws -> Double {
      let run = try Convoy.run(
        ["describe", "own.yaml", "--ranks", "2", "--json"] + arguments, in: folder)
      return try JSONDecoder().decode(Report.self, from: Data(run.output.utf8)).seconds
    }
    #expect(try seconds(["--machine", "slow.json"]) > seconds([]))
  }

  /// Hundreds of ranks are told of as soon as one.
  @Test func manyRanksTakeSeconds() throws {
    let run = try Convoy.run(
      ["describe", "resnet.yaml", "--ranks", "64", "--set", "training.batchSize=128"],
      in: Self.folder())
    #expect(run.code == 0)
    #expect(run.seconds < 30)
  }

  @Test func theDrawingHasABoxForEachLayer() throws {
    let folder = try Self.folder()
    let run = try Convoy.run(["describe", "own.yaml", "--svg", "own.svg"], in: folder)
    #expect(run.code == 0)
    let svg = folder.text("own.svg")
    #expect(svg.hasPrefix("<svg xmlns=") && svg.hasSuffix("</svg>\n"))
    for name in ["conv1", "norm1", "conv2", "relu1", "add1", "pool1", "linear1"] {
      #expect(svg.contains("class=\"name\">\(name)</text>"))
    }
    // One line for each that reads the one above, and one round the main way.
    #expect(svg.components(separatedBy: "class=\"edge\"/>").count - 1 == 8)
    #expect(svg.contains("bhws,rt,rs,rh,rw-&gt;bhwt|hw"))
    #expect(XMLParser(data: Data(svg.utf8)).parse())
  }

  static let bad = [
    BadInput(
      "no file", ["describe", "nowhere.yaml"],
      "convoy: error: nowhere.yaml: there is no such file; expected a YAML configuration"),
    BadInput(
      "unknown layer", ["describe", "own.yaml", "--set", "model.layers=[convolve]"],
      "convoy: error: --set: model.layers[0]: there is no layer 'convolve'; did you mean "
        + "'convolution'?"),
    BadInput(
      "layers that do not fit", ["describe", "own.yaml", "--set", "model.layers=[relu]"],
      "convoy: error: relu1, the last layer, has the output [4, 8, 8, 2], expected one number for "
        + "each of 3 classes of each sample, such as [4, 3]; end with globalMean and linear"),
    BadInput(
      "a pattern that matches nothing",
      ["describe", "own.yaml", "--set", "model.factorize={layer1: dense}"],
      "convoy: error: factorize: no convolution and no linear layer is named as \"layer1\" says; "
        + "they are conv1, conv2, linear1"),
    BadInput(
      "a form that is larger",
      ["describe", "own.yaml", "--set", "model.factorize={linear1: {form: bt, compression: 0.1}}"],
      "convoy: error: linear1: form bt cannot compress 8 to 3 channels to 0.1: at rank 1, the "
        + "smallest, it has 48 parameters, and the dense kernel has 24; use form dense here, or more "
        + "channels"),
    BadInput(
      "no ranks", ["describe", "own.yaml", "--ranks", "0"],
      "convoy: error: --ranks 0: expected at least 1, e.g. --ranks 4…"),
    BadInput(
      "too many ranks", ["describe", "own.yaml", "--ranks", "65537"],
      "convoy: error: --ranks 65537: expected at most 65536…"),
    BadInput(
      "no machine", ["describe", "own.yaml", "--machine", "nowhere.json"],
      "convoy: error: nowhere.json: there is no such file; …"),
    BadInput(
      "another kind of picture", ["describe", "own.yaml", "--svg", "own.png"],
      "convoy: error: --svg own.png: what is drawn is SVG…"),
    BadInput(
      "a drawing over the configuration", ["describe", "own.yaml", "--svg", "own.yaml"],
      "convoy: error: --svg own.yaml would replace the configuration, own.yaml; give it another "
        + "name"),
  ]

  @Test(arguments: bad) func whatIsWrongEndsInOneMessage(row: BadInput) throws {
    try row.check(in: Self.folder())
  }
}
