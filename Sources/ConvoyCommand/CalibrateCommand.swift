import ArgumentParser
import Convoy
import Formats
import Foundation

struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate", abstract: "Measure this machine for the planner's predictions.",
    discussion: """
      Measures the rate of the matrix product and the memory bandwidth; under mpirun also latency \
      and bandwidth of messages, on a host and between hosts, all ranks at once, and counts the \
      ranks of a host. What cannot be measured this way is taken from the model that plans use \
      without --machine, and standard error says so.

        mpirun -n 2 convoy calibrate --out machine.json
        convoy plan … --ranks 64 --machine machine.json
      """)

  @Option(
    help: ArgumentHelp(
      "Write the model, for --machine of other commands.", valueName: "machine.json"),
    transform: expandedPath)
  var out: String?

  @Flag(help: "Measure smaller sizes fewer times: a second instead of some, and less exact.")
  var quick = false

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  @OptionGroup var waiting: WatchdogOptions

  func run() throws {
    try reportingOnEveryRank(watchdog: waiting.watchdog) { communicator in
      if communicator.rank == 0, let out { try requireWritable(out) }
      try communicator.barrier()
      HostMemory.keepFreed()
      let model = try measure(communicator)
      guard communicator.rank == 0 else { return }
      let text = try model.json() + "\n"
      if let out { try writeAtomically(to: out, bytes: Array(text.utf8)) }
      try output(json ? String(text.dropLast()) : Self.table(model))
    }
  }

  private func measure(_ communicator: any Communicator) throws -> MachineModel {
    let links = try LinkMeasurement(communicator, host: ProcessInfo.processInfo.hostName)
    // All ranks at once, for the cores of a host share its memory; the slowest counts, as all wait
    // for it.
    let rate = try Calibration.flopsPerSecond(
      extent: quick ? 384 : 768, repetitions: quick ? 10 : 40)
    try communicator.barrier()
    let bandwidth = try Calibration.memoryBytesPerSecond(
      elements: quick ? 1 << 23 : 1 << 24, repetitions: quick ? 5 : 20)
    let slowest = try gathered([rate, bandwidth], communicator)
    let repetitions = quick ? 3 : 15
    let inside = try links.insideNode(repetitions: repetitions)
    let between = try links.betweenNodes(repetitions: repetitions)
    if communicator.rank == 0 { Self.noteAssumptions(links, inside, between) }
    let standard = MachineModel.standard
    let hosts = Set(links.hosts).count
    return try MachineModel(
      name: "\(links.hosts[0]), " + Self.count(communicator.size, "rank") + " on "
        + Self.count(hosts, "host"),
      flopsPerSecond: Self.rounded(slowest.reduce(.infinity) { min($0, $1[0]) }),
      memoryBytesPerSecond: Self.rounded(slowest.reduce(.infinity) { min($0, $1[1]) }),
      insideNode: Self.rounded(inside ?? standard.insideNode),
      betweenNodes: Self.rounded(between ?? standard.betweenNodes),
      ranksPerNode: communicator.size == 1
        ? ProcessInfo.processInfo.activeProcessorCount : links.ranksPerNode,
      threadsPerRank: 1
    ).validated()
  }

  private static func noteAssumptions(
    _ links: LinkMeasurement, _ inside: MachineModel.Link?, _ between: MachineModel.Link?
  ) {
    if links.hosts.count == 1 {
      note(
        "convoy: note: this is one process: the links are the standard model's, and a node is taken "
          + "to have a rank on each of its processors; run it under mpirun to measure links")
      return
    }
    if inside == nil {
      note(
        "convoy: note: every host has one rank: the link inside a node is the standard model's")
    }
    if between == nil {
      note(
        "convoy: note: all ranks are on one host: the link between nodes is the standard model's")
    }
  }

  private static func table(_ model: MachineModel) -> String {
    func link(_ link: MachineModel.Link) -> String {
      String(
        format: "%.4g µs a message, %.4g GB/s", link.latencySeconds * 1e6,
        link.bytesPerSecond / 1e9)
    }
    return """
      machine         \(model.name)
      arithmetic      \(String(format: "%.4g", model.flopsPerSecond / 1e9)) GFLOP/s a thread
      memory          \(String(format: "%.4g", model.memoryBytesPerSecond / 1e9)) GB/s a rank
      inside a node   \(link(model.insideNode))
      between nodes   \(link(model.betweenNodes))
      a node          \(count(model.ranksPerNode, "rank")) of \
      \(count(model.threadsPerRank, "thread"))
      """
  }

  private static func count(_ number: Int, _ unit: String) -> String {
    "\(number) \(unit)" + (number == 1 ? "" : "s")
  }

  private static func rounded(_ link: MachineModel.Link) -> MachineModel.Link {
    .init(
      latencySeconds: rounded(link.latencySeconds), bytesPerSecond: rounded(link.bytesPerSecond))
  }

  /// To the four digits that a measurement has at most.
  private static func rounded(_ value: Double) -> Double {
    Double(String(format: "%.3e", value)) ?? value
  }
}
