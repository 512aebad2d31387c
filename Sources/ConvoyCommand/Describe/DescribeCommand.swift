import ArgumentParser
import Convoy
import Formats
import Foundation

struct DescribeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Print the layers of a network, and what they cost.",
    discussion: """
      The network is that of a configuration for training; multiply-adds (macs), activations and times are those \
      of one forward pass over its batch. Times are the kernels' estimates for contractions, on one thread. \
      Below the layers stands what a whole training step takes on --ranks ranks.
      """)

  @Argument(help: "The configuration, in YAML.", transform: expandedPath)
  var configuration: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Change one key, e.g. model.network=resnet20.", valueName: "key=value"))
  var overrides: [String] = []

  @Option(help: "Ranks of the training step; under mpirun as many as were started, otherwise 1.")
  var ranks: Int?

  @Option(
    help: ArgumentHelp(
      "The machine's rates, as 'convoy calibrate --out' writes them.", valueName: "file.json"),
    transform: expandedPath)
  var machine: String?

  @OptionGroup var threads: ThreadOptions

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  @Option(
    help: ArgumentHelp("Draw the layers.", valueName: "file.svg"), transform: expandedPath)
  var svg: String?

  func validate() throws { try requireRankCount(ranks) }

  func run() throws {
    try reportingOnFirst {
      if let svg {
        try requireSVGName(svg)
        try requireOutputs(
          [NamedFile(role: "--svg", path: svg)],
          apartFrom: [NamedFile(role: "the configuration", path: configuration)]
            + (machine.map { [NamedFile(role: "--machine", path: $0)] } ?? []))
      }
      let rates = try machine.map(machineModel) ?? .standard
      let settings = try TrainingConfiguration(file: configuration, overrides: overrides)
      let network = try settings.networkGraph()
      let report = NetworkReport(
        network, costs: try network.costs(), step: try step(settings, rates))
      if let svg {
        let title = URL(fileURLWithPath: configuration).lastPathComponent
        try writeAtomically(
          to: svg, bytes: Array(NetworkDrawing(report, title: title).svg.utf8))
      }
      try output(json ? try report.json() : report.table)
    }
  }

  /// A training step over the configuration's batch.
  private func step(
    _ settings: TrainingConfiguration, _ machine: MachineModel
  ) throws -> NetworkReport.Step {
    let ranks = ranks ?? Launch.current.processes
    let threads = threads.threads ?? ThreadOptions.defaultCount(ranks: ranks)
    let programs = try settings.stepPrograms(
      ranks: ranks, options: ProgramOptions(threads: threads))
    return NetworkReport.Step(
      sharding: programs.sharding, threads: threads,
      prediction: try programs.prediction(
        samples: settings.training.batchSize, machine: machine))
  }
}
