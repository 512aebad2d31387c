import ArgumentParser
import Convoy
import Foundation

struct BenchLayersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "layers", abstract: "Measure expressions forward and backward on one process.",
    discussion: """
      Each case is planned for training, with the gradients of all operands, and run forward and \
      backward, again and again, for --seconds: the time is the median. The roofline is what no \
      program can beat on this machine with this order of contraction: the longer of its operations \
      at the most that the kernels reach, in cache, and of the bytes that must be read (the operands \
      twice, the gradient of the result) and written (the result, the gradients) at the most that \
      memory gives. Both rates are measured first, or taken from --machine; 'convoy calibrate' writes \
      what plans may expect, which is less.

      The file of cases is that of 'convoy bench scaling'.
      """)

  @Option(help: ArgumentHelp("The cases.", valueName: "file.json"), transform: expandedPath)
  var cases: String

  @Option(help: ArgumentHelp("Only cases with this in their names.", valueName: "text"))
  var filter: String?

  @Option(help: ArgumentHelp("Seconds per case, of at least 3 repetitions.", valueName: "number"))
  var seconds = 1.0

  @Option(
    help: ArgumentHelp(
      "The machine's rates, as 'convoy calibrate --out' writes them.", valueName: "file.json"),
    transform: expandedPath)
  var machine: String?

  @OptionGroup var threads: ThreadOptions

  @Flag(help: "Print what runs every step, its estimate and its time.")
  var steps = false

  @Flag(help: "Print JSON: an object for one case, a list for several.")
  var json = false

  func validate() throws {
    guard seconds > 0, seconds <= 3600 else {
      throw ValidationError("--seconds \(seconds): expected a number above 0, at most 3600")
    }
  }

  func run() throws {
    try reportingOnFirst(command: "bench layers") {
      let entries = try ScalingCase.read(path: cases, filter: filter)
      HostMemory.keepFreed()
      threads.use()
      let model = try machine.map(machineModel) ?? Self.measuredRates()
      var results: [LayerTiming] = []
      if !json { try output(LayerTiming.tableHeader) }
      for entry in entries {
        let timing = try LayerTiming(entry, machine: model, seconds: seconds, eachStep: steps)
        results.append(timing)
        guard !json else { continue }
        try output(timing.tableRow)
        for step in timing.steps ?? [] { try output(step.tableRow) }
      }
      guard json else { return }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      let data = try results.count == 1 ? encoder.encode(results[0]) : encoder.encode(results)
      try output(String(decoding: data, as: UTF8.self))
    }
  }

  private static func measuredRates() throws -> MachineModel {
    var model = MachineModel.standard
    model.name = "measured"
    model.flopsPerSecond = try Calibration.peakFlopsPerSecond()
    model.memoryBytesPerSecond = try Calibration.peakMemoryBytesPerSecond()
    return model
  }
}

/// The time of one case, forward and backward.
struct LayerTiming: Codable {
  let name: String
  /// Of forward and backward together, the median.
  let milliseconds: Double
  /// The least: what an undisturbed machine takes.
  let leastMilliseconds: Double
  /// 10⁹ operations of the plan per second; a multiply-add counts as two.
  let gflops: Double
  /// Milliseconds that the machine's rates allow.
  let roofline: Double
  let repetitions: Int
  /// Buffers of tensors and workspaces that all these repetitions together asked the system for: none, if they find
  /// what the ones before left.
  let allocations: Int
  /// The pairs of operands in the order they are contracted.
  let path: [[Int]]
  /// If asked for.
  let steps: [StepTiming]?

  init(_ entry: ScalingCase, machine: MachineModel, seconds: Double, eachStep: Bool) throws {
    let bound = try entry.bound()
    let needed = bound.shapes.map { _ in true }
    let plan = try Plan(
      bound, options: PlanOptions(needsGradient: needed, runs: .often), costs: KernelCosts())
    let timer = eachStep ? StepTimer() : nil
    let contraction = try Contraction<Float>(plan, timer: timer)
    try Self.requireMemory(entry, contraction)
    var generator = SplitMix(state: 1)
    let operands = bound.shapes.map { Self.random($0, &generator) }
    let outputGradient = Self.random(bound.outputShape, &generator)
    func once() throws -> Double {
      let start = ContinuousClock.now
      let (_, record) = try contraction.recorded(operands)
      _ = try contraction.gradients(record, outputGradient: outputGradient, needed: needed)
      return (ContinuousClock.now - start) / .seconds(1)
    }
    // Once without the clock: pages are met for the first time, and kernels are chosen.
    _ = try once()
    // Twice, for what is kept of the first may not be enough for all of it.
    _ = try once()
    let before = BufferPool.shared.statistics
    var times: [Double] = []
    var total = 0.0
    while times.count < 3 || total < seconds {
      times.append(try once())
      total += times[times.count - 1]
    }
    times.sort()
    let median = times[times.count / 2]
    let elements = { (shape: [Int]) in shape.reduce(1) { $0 * Double($1) } }
    let bytes =
      4 * (3 * bound.shapes.reduce(0) { $0 + elements($1) } + 2 * elements(bound.outputShape))
    name = entry.name
    milliseconds = median * 1e3
    leastMilliseconds = times[0] * 1e3
    gflops = 2 * plan.trainingMacs / median / 1e9
    roofline = machine.computeSeconds(macs: plan.trainingMacs, bytes: bytes) * 1e3
    repetitions = times.count
    allocations = BufferPool.shared.statistics.allocations - before.allocations
    path = plan.path
    steps = timer?.kernels.map { kernel, seconds in
      StepTiming(kernel, contraction, milliseconds: seconds * 1e3)
    }
  }

  /// Before the operands are made: an allocation that fails would end the process without a word.
  private static func requireMemory(
    _ entry: ScalingCase, _ contraction: Contraction<Float>
  ) throws {
    let all = contraction.plan.expression.shapes.map { _ in true }
    let needed = try contraction.peakBytes(needed: all)
    guard needed > HostMemory.limitBytes else { return }
    throw CommandError.caseTooLarge(
      name: entry.name, needed: needed, available: HostMemory.limitBytes)
  }

  private static func random(_ shape: [Int], _ generator: inout SplitMix) -> Tensor<Float> {
    var tensor = Tensor<Float>(shape: shape)
    tensor.withMutableElements { elements in
      for index in elements.indices { elements[index] = generator.next() }
    }
    return tensor
  }

  static let tableHeader =
    "      ms  GFLOP/s  roofline ms  ratio  case"

  var tableRow: String {
    String(
      format: "%8.2f %8.1f %12.2f %6.2f  ", milliseconds, gflops, roofline,
      milliseconds / roofline) + name
  }
}

/// One kernel of a case: a step, or the gradient of one of its operands.
struct StepTiming: Codable {
  let step: String
  /// `result`, or the operand whose gradient it is.
  let writes: String
  let milliseconds: Double
  let estimatedMilliseconds: Double
  let gflops: Double
  let kernel: String

  init<Element>(
    _ kernel: StepTimer.Kernel, _ contraction: Contraction<Element>, milliseconds: Double
  ) {
    let lowered = contraction.lowered(kernel)
    let planned = contraction.plan.steps[kernel.step]
    step = contraction.plan.contractionText(planned)
    writes =
      switch kernel.role {
      case .first: "first"
      case .second: "second"
      case .result: "result"
      }
    self.milliseconds = milliseconds
    estimatedMilliseconds = lowered.nanoseconds / 1e6
    gflops = 2 * planned.macs / milliseconds / 1e6
    self.kernel = lowered.summary
  }

  var tableRow: String {
    String(
      format: "  %6.2f %8.1f   estimated %5.2f  ", milliseconds, gflops, estimatedMilliseconds)
      + "\(writes) of \(step): \(kernel)"
  }
}

/// Numbers of about unit size, cheap and always the same (Steele, Lea and Flood 2014: SplitMix).
private struct SplitMix {
  var state: UInt64

  mutating func next() -> Float {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Float(Int64(bitPattern: z ^ (z >> 31)) >> 40) * 0x1p-23
  }
}
