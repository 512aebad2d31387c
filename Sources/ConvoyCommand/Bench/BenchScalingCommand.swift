import ArgumentParser
import Convoy
import Formats
import Foundation

struct BenchScalingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scaling", abstract: "Measure how expressions scale over ranks.",
    discussion: """
      Run it under mpirun with P ranks. Each case is planned for, and runs on, 1 … 8, 16, 32, … \
      and P ranks; the others wait. Strong scaling keeps the problem, and its efficiency is \
      t(1) / (q t(q)); weak scaling multiplies the extent of one mode by q, and its efficiency is \
      t(1) / t(q). A time is the median over the repetitions of the slowest rank's; one run before \
      is not timed. What is predicted comes from the plan and from --machine.

      A file of cases is a JSON list of objects: "name", "expression", "shapes" (a list per \
      operand), and where there is need of them "conv" (as --conv of 'convoy plan', a text or a \
      list), "weak" (the mode that grows) and "form" (for people). See cluster/cases/scaling.json. \
      A case that needs more memory than there is is skipped with a note.
      """)

  @Option(help: ArgumentHelp("The cases.", valueName: "file.json"), transform: expandedPath)
  var cases: String

  @Option(help: ArgumentHelp("Only cases with this in their names.", valueName: "text"))
  var filter: String?

  @Option(help: ArgumentHelp("strong, weak or both.", valueName: "kind"))
  var kind: Kinds = .both

  @Option(help: ArgumentHelp("Measured repetitions.", valueName: "count"))
  var repetitions = 5

  @Option(
    help: ArgumentHelp("What plans minimise: time, bytes or macs.", valueName: "macs|bytes|time"))
  var objective: Objective = .time

  @Option(
    help: ArgumentHelp(
      "The machine's rates, as 'convoy calibrate --out' writes them.", valueName: "file.json"),
    transform: expandedPath)
  var machine: String?

  @Option(help: ArgumentHelp("float32 or float64.", valueName: "type"))
  var dtype: ElementType = .float32

  @OptionGroup var threads: ThreadOptions

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  @Option(
    help: ArgumentHelp("Draw efficiency over ranks.", valueName: "file.svg"),
    transform: expandedPath)
  var svg: String?

  enum Kinds: String, ExpressibleByArgument, CaseIterable {
    case strong, weak, both
  }

  enum ElementType: String, ExpressibleByArgument, CaseIterable {
    case float32, float64
  }

  @OptionGroup var waiting: WatchdogOptions

  func validate() throws {
    guard (1...Self.mostRepetitions).contains(repetitions) else {
      throw ValidationError(
        "--repetitions \(repetitions): expected a number from 1 to \(Self.mostRepetitions)")
    }
  }

  /// So many times are kept in memory and gathered from all ranks.
  private static let mostRepetitions = 100_000

  func run() throws {
    try reportingOnEveryRank(watchdog: waiting.watchdog) { communicator in
      communicator.enter(CollectiveStep(number: 0, description: "read the cases"))
      let (entries, model) = try communicator.together {
        if communicator.rank == 0 { try checkDrawing() }
        return (
          try ScalingCase.read(path: cases, filter: filter),
          try machine.map(machineModel) ?? .standard
        )
      }
      // Tensors are made anew in every run, as in training; the pages need not be.
      HostMemory.keepFreed(processes: Launch.current.localProcesses)
      threads.use()
      switch dtype {
      case .float32: try measure(entries, Float.self, model, communicator)
      case .float64: try measure(entries, Double.self, model, communicator)
      }
    }
  }

  private func checkDrawing() throws {
    guard let svg else { return }
    try requireSVGName(svg)
    let inputs = [("--cases", cases), ("--machine", machine)].compactMap { role, path in
      path.map { NamedFile(role: role, path: $0) }
    }
    try requireOutputs([NamedFile(role: "--svg", path: svg)], apartFrom: inputs)
  }

  private func measure<Element: TensorElement>(
    _ entries: [ScalingCase], _ type: Element.Type, _ machine: MachineModel,
    _ communicator: any Communicator
  ) throws {
    let isFirst = communicator.rank == 0
    let kinds = kind == .both ? ScalingKind.allCases : [kind == .weak ? .weak : .strong]
    if isFirst {
      if communicator.size == 1 {
        note(
          "convoy: note: this is one process, which cannot scale; run it under mpirun, e.g. "
            + "mpirun -n 2 convoy bench scaling --cases \(cases)")
      }
      if !json { try output(ScalingReport.tableHeader) }
    }
    let benchmark = try ScalingBenchmark<Element>(
      communicator, machine: machine, objective: objective, repetitions: repetitions)
    var results: [ScalingSeries] = []
    for entry in entries {
      let measured = try benchmark.measure(entry, kinds)
      results += measured
      guard isFirst else { continue }
      if kind == .weak && entry.weak == nil {
        note("convoy: note: '\(entry.name)' is skipped: it has no weak mode")
      }
      for series in measured {
        for reason in series.skipped {
          note("convoy: note: '\(series.name)', \(series.scaling), is skipped: \(reason)")
        }
        if !json { for row in series.tableRows { try output(row) } }
      }
    }
    let report = ScalingReport(
      ranks: communicator.size, kind: communicator.kind, dtype: dtype.rawValue,
      objective: objective.rawValue, machine: machine.name, repetitions: repetitions,
      results: results)
    communicator.enter(CollectiveStep(number: 0, description: "write the results"))
    try communicator.together {
      guard isFirst else { return }
      if let svg { try writeAtomically(to: svg, bytes: Array(ScalingDrawing(report).svg.utf8)) }
      if json { try output(try report.json()) }
    }
  }
}
