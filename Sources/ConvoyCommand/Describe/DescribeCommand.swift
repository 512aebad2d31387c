import ArgumentParser
import Convoy
import Formats
import Foundation

struct DescribeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Print the layers of a network, and what they cost.",
    discussion: """
      The network is that of a configuration for training; multiply-adds (macs), activations and times are those \
      of one forward pass over its batch. Times are the kernels' estimates for contractions, on one thread.
      """)

  @Argument(help: "The configuration, in YAML.", transform: expandedPath)
  var configuration: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Change one key, e.g. model.network=resnet20.", valueName: "key=value"))
  var overrides: [String] = []

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  @Option(
    help: ArgumentHelp("Draw the layers.", valueName: "file.svg"), transform: expandedPath)
  var svg: String?

  func run() throws {
    try reportingOnFirst {
      if let svg {
        try requireSVGName(svg)
        try requireOutputs(
          [NamedFile(role: "--svg", path: svg)],
          apartFrom: [NamedFile(role: "the configuration", path: configuration)])
      }
      let network = try TrainingConfiguration(file: configuration, overrides: overrides)
        .networkGraph()
      let report = NetworkReport(network, costs: try network.costs())
      if let svg {
        let title = URL(fileURLWithPath: configuration).lastPathComponent
        try writeAtomically(
          to: svg, bytes: Array(NetworkDrawing(report, title: title).svg.utf8))
      }
      try output(json ? try report.json() : report.table)
    }
  }
}
