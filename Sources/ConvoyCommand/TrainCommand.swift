import ArgumentParser
import Convoy
import Foundation
import Logging

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a tensorial network, alone or under mpirun.",
    discussion: """
      On two processes of this machine: mpirun -n 2 convoy train examples/fashion-mnist.yaml
      The run folder gets the resolved configuration, metrics.jsonl, a plot and the weights.

      SIGTERM, SIGINT (Ctrl-C), SIGHUP and SIGUSR1 end the run after the present step, on all ranks, with a \
      checkpoint and the command that goes on, and with exit code 128 + the signal; a second one ends it \
      at once.

      Keys of a configuration:

      \(TrainingConfiguration.keyReference)
      """)

  @Argument(
    help: "The configuration, in YAML; with --resume the run's own, unless it is given.",
    transform: expandedPath)
  var configuration: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Change one key, e.g. model.form=tk.", valueName: "key=value"))
  var overrides: [String] = []

  @Option(
    help: ArgumentHelp("Go on with the run in this folder.", valueName: "dir"),
    transform: expandedPath)
  var resume: String?

  @Flag(
    help: """
      Go on with the run in the output folder, or start it if there is none: one command for a job that \
      may be started again.
      """)
  var resumeOrStart = false

  @Option(
    help: ArgumentHelp(
      "Write predicted and measured bytes and times of the first step as JSON.",
      valueName: "file.json"),
    transform: expandedPath)
  var report: String?

  @Option(
    help: ArgumentHelp(
      "Write a trace of the second step, of every rank, for chrome://tracing.",
      valueName: "file.json"),
    transform: expandedPath)
  var trace: String?

  @OptionGroup var threads: ThreadOptions

  @OptionGroup var waiting: WatchdogOptions

  func validate() throws {
    guard configuration != nil || resume != nil else {
      throw ValidationError("Missing expected argument '<configuration>' (or --resume <dir>)")
    }
    guard !resumeOrStart || resume == nil else {
      throw ValidationError(
        "--resume-or-start takes the folder from the configuration's output; leave --resume out, or "
          + "use it alone")
    }
  }

  func run() throws {
    try reportingOnEveryRank(watchdog: waiting.watchdog, stopsGently: true) { communicator in
      communicator.enter(CollectiveStep(number: 0, description: "read the configuration"))
      // A mistake in it is one that all ranks make: one of them is to say so.
      let configuration = try communicator.together {
        if communicator.rank == 0 { try checkOutputs() }
        return try TrainingConfiguration(file: file, overrides: overrides)
      }
      HostMemory.keepFreed(processes: Launch.current.localProcesses)
      threads.use()
      let isFirst = communicator.rank == 0
      let bar = ProgressBar(isShown: isFirst && ProgressBar.isTerminal)
      defer { bar.clear() }
      let lines = ProgressLines(isShown: isFirst && !ProgressBar.isTerminal, write: note)
      let reporter = StepReporter(report: report, trace: trace, communicator: communicator)
      let summary = try train(
        configuration, communicator: communicator,
        resume: resume ?? (resumeOrStart ? configuration.output : nil), startsIfNew: resumeOrStart,
        recorder: reporter.recorder, logger: .notes
      ) { event in
        bar.show(event)
        lines.show(event)
        if let warning = Self.warning(event) { note("convoy: warning: \(warning)") }
        if let line = Self.line(event) { note(line) }
      } shouldStop: {
        EndingSignals.request != nil
      }
      bar.clear()
      try reporter.finish()
      guard summary.isFinished else { throw try stopped(summary, communicator) }
      guard isFirst else { return }
      try output(
        """
        test accuracy \(Self.percent(summary.testAccuracy)) after \
        \(Self.counted(summary.epochs, "epoch")) (\(Self.counted(summary.steps, "step"))), \(Self.whole(summary.imagesPerSecond)) images/s
        plot          \(summary.plot)
        weights       \(summary.weights)
        """)
    }
  }

  /// Before any work.
  private func checkOutputs() throws {
    let outputs = [("--report", report), ("--trace", trace)].compactMap { role, path in
      path.map { NamedFile(role: role, path: $0) }
    }
    try requireOutputs(
      outputs, apartFrom: [NamedFile(role: "the configuration", path: file)])
  }

  /// Says how to go on, and what the process is to end with: on all ranks the same, whichever of them got
  /// the signal.
  private func stopped(
    _ summary: TrainingSummary, _ communicator: any Communicator
  ) throws -> ExitCode {
    let signals = try communicator.gather(EndingSignals.request.map { Int($0.signal) } ?? 0)
    let signal = EndingSignals.Request(signal: Int32(signals.max() ?? 0))
    let asked = signals.indices.filter { signals[$0] != 0 }
    let list = asked.map(String.init).joined(separator: ", ")
    let origin =
      asked.count == signals.count ? "" : " of \(asked.count == 1 ? "rank" : "ranks") \(list)"
    if communicator.rank == 0 {
      let launch = communicator.size > 1 ? "mpirun -n \(communicator.size) " : ""
      let options = threads.threads.map { " --threads \($0)" } ?? ""
      note(
        """
        stopped by \(signal.name)\(origin) after step \(summary.steps) of \(summary.totalSteps), with a \
        checkpoint; to go on:
          \(launch)convoy train --resume \(shellQuoted(summary.folder))\(options)
        """)
    }
    return ExitCode(signal.exitCode)
  }

  /// A run knows its configuration.
  private var file: String { configuration ?? "\(resume ?? ".")/configuration.yaml" }

  /// What is not as the configuration may have meant it.
  private static func warning(_ event: TrainingEvent) -> String? {
    guard case .started(let run) = event, run.batchSize > run.trainingSamples else { return nil }
    return
      "training.batchSize is \(run.batchSize), but there are \(run.trainingSamples) training images: every "
      + "step takes all of them"
  }

  /// What is worth a line on standard error.
  private static func line(_ event: TrainingEvent) -> String? {
    switch event {
    case .started(let run):
      "training \(countText(Double(run.parameterCount))) parameters on "
        + "\(countText(Double(run.trainingSamples))) images, "
        + "\(run.ranks) \(run.ranks == 1 ? "rank" : "ranks") × \(run.threads) "
        + (run.threads == 1 ? "thread" : "threads")
        + (run.sharding.isDataParallel ? "" : " as \(run.sharding)") + ", into \(run.folder)"
        + (run.firstStep > 0 ? ", from step \(run.firstStep)" : "")
    case .epoch(let epoch):
      "epoch \(epoch.epoch): train loss \(rounded(epoch.trainLoss)), test loss "
        + "\(rounded(epoch.testLoss)), test accuracy \(percent(epoch.testAccuracy)), "
        + "\(whole(epoch.imagesPerSecond)) images/s"
    case .step, .checkpoint: nil
    }
  }

  /// `1 epoch`, `2 epochs`.
  private static func counted(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

  private static func percent(_ fraction: Double) -> String {
    String(format: "%.2f %%", 100 * fraction)
  }

  /// Of a run that is resumed it is what a file says, which may be more than an `Int`.
  private static func whole(_ rate: Double) -> String { countText(rate.rounded()) }

  private static func rounded(_ loss: Double) -> String { String(format: "%.4f", loss) }
}
