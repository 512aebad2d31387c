import ArgumentParser
import Convoy

/// How work and tensors are distributed over ranks: what `plan` and `contract` have in common.
struct DistributionOptionGroup: ParsableArguments {
  @Option(help: "Ranks to distribute over; under mpirun as many as were started.")
  var ranks: Int?

  @Option(
    help: ArgumentHelp(
      "The most that a rank may hold at once, e.g. 2GiB, 512MiB, 1.5e9.", valueName: "bytes"),
    transform: parseBytes)
  var memory: Int?

  @Option(
    help: ArgumentHelp(
      "What to minimise: time (default for running, and on several ranks), bytes or macs.",
      valueName: "macs|bytes|time"))
  var objective: Objective?

  @Option(
    help: ArgumentHelp(
      "The machine's rates, as 'convoy calibrate --out' writes them.", valueName: "file.json"),
    transform: expandedPath)
  var machine: String?

  func validate() throws { try requireRankCount(ranks) }

  /// Whether anything is asked for that only distributed plans know.
  ///
  /// - Parameter launched: ranks that were started, for as many as which is planned without `--ranks`.
  func isDistributed(launched: Int = 1) -> Bool {
    ranks ?? launched > 1 || memory != nil || objective == .bytes || machine != nil
  }

  func options(
    _ expression: ExpressionOptions, operands: Int, ranks: Int, elementBytes: Int
  ) throws -> DistributionOptions {
    DistributionOptions(
      ranks: ranks, objective: objective ?? .time,
      machine: try machine.map(machineModel) ?? .standard, optimizer: expression.optimizer,
      elementBytes: elementBytes,
      needsGradient: expression.training
        ? Array(repeating: true, count: operands) : nil,
      seed: expression.seed)
  }
}

/// - Throws: `ValidationError`, of a `--ranks` that no plan is made for.
func requireRankCount(_ ranks: Int?) throws {
  guard let ranks else { return }
  if ranks < 1 { throw ValidationError("--ranks \(ranks): expected at least 1, e.g. --ranks 4") }
  if ranks > DistributionOptions.mostRanks {
    throw ValidationError("--ranks \(ranks): expected at most \(DistributionOptions.mostRanks)")
  }
}

extension Objective: ExpressibleByArgument {}

@Sendable private func parseBytes(_ text: String) throws -> Int {
  guard let size = MemorySize(text) else {
    throw ValidationError(
      "'\(text)' is no size: expected a number of bytes, alone or with a unit, e.g. 2GiB or 1.5e9")
  }
  return size.bytes
}
