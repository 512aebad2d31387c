import Collectives
import Graph
import Kernels

/// A pass of one expression's plan, as a program of its own.
///
/// ```swift
/// let pass = PassProgram(RankProgram(schedule, rank: 0, elementBytes: 4), type: .float32)
/// let runner = ProgramRunner(pass.program, ProgramMemory(), communicator: communicator)
/// try runner.run(given)
/// ```
struct PassProgram: Sendable {
  let ranked: RankProgram
  let program: Program
  let results: [Program.Place?]
  /// What stays for the reverse pass, in the order in which that is given it.
  let kept: [Program.Place?]

  init(_ ranked: RankProgram, type: ElementType) {
    let schedule = ranked.schedule
    var builder = ProgramBuilder(.buffers)
    let given = (0..<schedule.givenCount).map { Program.Place(memory: .external($0)) }
    let places = builder.add(ranked, type: type, given: given)
    let layout = builder.finish()
    self.ranked = ranked
    results = places.results
    kept = places.kept
    program = Program(
      rank: ranked.rank, ranks: schedule.plan.ranks,
      externals: schedule.given.enumerated().map { number, layout in
        Program.External(
          name: "buffer \(number)", box: layout.box(of: ranked.rank), type: type, source: nil)
      },
      operations: layout.operations, transfers: layout.transfers, names: ranked.stepNames,
      fixedBytes: 0, laneBytes: 0, lanes: 0, bufferCount: layout.bufferCount,
      bufferBytes: layout.bufferBytes,
      liveBytes: 0,
      receivedBytes: layout.transfers.reduce(0) { $0 + $1.receivedBytes }, nodeSeconds: [],
      plainTraffic: (0, 0), hash: schedule.plan.stableHash)
  }
}

/// One run of a pass, and what it left.
///
/// ```swift
/// let run = try PassRun(pass, given: operands, communicator: communicator, meter: nil, timeline: &timeline)
/// run.results[0]
/// ```
struct PassRun<Element: TensorElement> {
  let results: [Tensor<Element>?]
  let kept: [Tensor<Element>?]

  /// - Parameters:
  ///   - given: the caller's buffers, which are only read; of what is `nil` the rank has nothing.
  ///   - firstNumber: of the first operation, in what other ranks are told.
  ///   - timeline: filled, if there is one.
  init(
    _ pass: PassProgram, given: [Tensor<Element>?], communicator: any Communicator,
    meter: MemoryMeter?, firstNumber: Int = 0, timeline: inout ProgramTimeline?
  ) throws {
    let runner = ProgramRunner(
      pass.program, ProgramMemory(meter: meter), communicator: communicator,
      firstNumber: firstNumber)
    runner.timeline = timeline
    // A rank that is left over has nothing; but a scalar has no empty box.
    try runner.run(
      zip(given, pass.program.externals).map { $0?.storage ?? Storage(bytes: $1.bytes) })
    func tensor(_ place: Program.Place?, _ shape: [Int]) -> Tensor<Element>? {
      switch place?.memory {
      case .external(let number): given[number]
      case .buffer(let number):
        runner.buffer(number).map { Tensor(shape: shape, storage: $0) }
      case .fixed, .lane, nil: nil
      }
    }
    let schedule = pass.ranked.schedule
    results = zip(pass.results, schedule.results).map { place, buffer in
      buffer.flatMap { tensor(place, pass.ranked.shapes[$0]) }
    }
    kept = zip(pass.kept, schedule.plan.kept()).map { place, item in
      tensor(place, item.layout.box(of: pass.ranked.rank).shape)
    }
    timeline = runner.timeline
  }
}
