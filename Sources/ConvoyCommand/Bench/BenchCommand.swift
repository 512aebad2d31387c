import ArgumentParser

/// `convoy bench`: measurements of this machine or cluster, one subcommand each.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure how fast this machine or cluster is.",
    subcommands: [
      BenchLayersCommand.self, BenchGemmCommand.self, BenchCommCommand.self,
      BenchScalingCommand.self,
    ])
}
