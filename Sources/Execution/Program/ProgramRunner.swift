import Collectives
import Graph
import Kernels
import Synchronization

/// Memory for what programs make on their way: those that share it run one after the other, so it is as large as
/// the one that needs most.
///
/// ```swift
/// let memory = ProgramMemory(meter: meter)
/// let training = ProgramRunner(program, memory, communicator: communicator)
/// let evaluation = ProgramRunner(other, memory, communicator: communicator)
/// ```
public final class ProgramMemory {
  private let meter: MemoryMeter?
  fileprivate private(set) var fixed: Storage?
  fileprivate private(set) var lanes: [Storage] = []

  public init(meter: MemoryMeter? = nil) { self.meter = meter }

  /// Makes room for a program.
  fileprivate func reserve(_ program: Program) {
    if (fixed?.bytes ?? -1) < program.fixedBytes {
      fixed = nil
      fixed = Storage(bytes: program.fixedBytes, meter: meter)
    }
    guard (lanes.first?.bytes ?? 0) < program.laneBytes || lanes.count < program.lanes else {
      return
    }
    let bytes = max(lanes.first?.bytes ?? 0, program.laneBytes)
    let count = max(lanes.count, program.lanes)
    lanes = []
    lanes = (0..<count).map { _ in Storage(bytes: bytes, meter: meter) }
  }
}

/// A program with memory, to be run as often as there are steps.
///
/// ```swift
/// let runner = ProgramRunner(program, ProgramMemory(), communicator: communicator)
/// try runner.run(storages)        // by external value, of its bytes
/// ```
public final class ProgramRunner {
  public let program: Program
  private let communicator: any Communicator
  private let memory: ProgramMemory
  private var pending: [Int: any PendingExchange] = [:]
  /// What runs between the start of a run and its end, if anybody wants to know.
  public var timeline: ProgramTimeline?
  private let clock = ContinuousClock()
  private var began: ContinuousClock.Instant

  /// - Parameter memory: which other programs may share that do not run at the same time.
  public init(_ program: Program, _ memory: ProgramMemory, communicator: any Communicator) {
    self.program = program
    self.memory = memory
    self.communicator = communicator
    began = clock.now
  }

  /// Carries out all operations, together with all ranks.
  ///
  /// - Parameter externals: by `program.externals`; sources are read, and change if the graph says so, results
  ///   are written.
  /// - Throws: `CollectiveError`.
  /// - Precondition: each is as large as it has to be.
  public func run(_ externals: [Storage]) throws {
    precondition(
      externals.count == program.externals.count
        && zip(externals, program.externals).allSatisfy { $0.bytes >= $1.bytes },
      "a program is given other memory than it was made for")
    memory.reserve(program)
    guard let fixed = memory.fixed else { return }
    let memory = Addresses(
      externals: externals.map(\.start), fixed: fixed.start,
      lanes: memory.lanes.prefix(program.lanes).map(\.start))
    let outer = communicator.step
    began = clock.now
    do {
      for (number, operation) in program.operations.enumerated() {
        try perform(operation, memory, outer, number)
      }
    } catch {
      // Exchanges end before the buffers that they would write to.
      pending.removeAll()
      throw error
    }
    communicator.enter(outer)
    timeline?.seconds = seconds(since: began)
  }

  private func perform(
    _ operation: Program.Operation, _ memory: Addresses, _ outer: CollectiveStep?, _ number: Int
  ) throws {
    let start = clock.now
    switch operation.action {
    case .start(let transfer):
      enter(operation, "send", outer)
      pending[transfer] = try program.transfers[transfer].start(memory, communicator)
      record(operation, .communication, start)
    case .finish(let transfer):
      enter(operation, "receive", outer)
      try pending.removeValue(forKey: transfer)?.wait()
      program.transfers[transfer].finish(memory)
      record(operation, .communication, start)
    case .allReduce(let place, let count, let type):
      enter(operation, "sum", outer)
      try allReduce(memory[place], count: count, type)
      record(operation, .communication, start)
    case .tiles(let tiles):
      enter(operation, nil, outer)
      runTiles(tiles, memory)
    default:
      enter(operation, nil, outer)
      memory.perform(operation.action, lane: nil)
      record(operation, .compute, start)
      if !pending.isEmpty { communicator.progress() }
    }
  }

  /// Says what this rank does now.
  private func enter(
    _ operation: Program.Operation, _ verb: String?, _ outer: CollectiveStep?
  ) {
    guard program.ranks > 1 else { return }
    let name = program.names[operation.name]
    let step = CollectiveStep(
      number: 0, description: verb.map { "\($0) \(name)" } ?? name)
    communicator.enter(outer?.inner(step) ?? step)
  }

  private func allReduce(
    _ start: UnsafeMutableRawPointer, count: Int, _ type: ElementType
  ) throws {
    switch type {
    case .float32:
      try communicator.allReduce(
        UnsafeMutableBufferPointer(
          start: start.assumingMemoryBound(to: Float.self), count: count))
    case .float64:
      try communicator.allReduce(
        UnsafeMutableBufferPointer(
          start: start.assumingMemoryBound(to: Double.self), count: count))
    case .uint8, .int32, .int64:
      preconditionFailure("whole numbers have no terms: sums of them are in floating point")
    }
  }

  /// Threads take the tiles in their order, each with memory of its own.
  private func runTiles(_ tiles: [[Program.Operation]], _ memory: Addresses) {
    let next = Atomic<Int>(0)
    let isTimed = timeline != nil
    let events = Mutex<[ProgramTimeline.Event]>([])
    let (clock, began) = (clock, began)
    ThreadPool.run(count: min(tiles.count, program.lanes)) { lane in
      while true {
        let tile = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard tile < tiles.count else { return }
        for operation in tiles[tile] {
          let start = clock.now
          memory.perform(operation.action, lane: lane)
          guard isTimed else { continue }
          let event = ProgramTimeline.Event(
            name: operation.name, kind: .compute, lane: lane,
            start: (start - began) / .seconds(1), duration: (clock.now - start) / .seconds(1))
          events.withLock { $0.append(event) }
        }
      }
    }
    timeline?.events += events.withLock { $0 }
  }

  private func record(
    _ operation: Program.Operation, _ kind: ProgramTimeline.Kind, _ start: ContinuousClock.Instant
  ) {
    guard timeline != nil else { return }
    timeline?.events.append(
      ProgramTimeline.Event(
        name: operation.name, kind: kind, lane: 0, start: (start - began) / .seconds(1),
        duration: seconds(since: start)))
  }

  private func seconds(since start: ContinuousClock.Instant) -> Double {
    (clock.now - start) / .seconds(1)
  }
}

/// What a rank did in one run of a program, and when.
///
/// ```swift
/// runner.timeline = ProgramTimeline()
/// try runner.run(storages)
/// runner.timeline?.events.reduce(0) { $0 + $1.duration }
/// ```
public struct ProgramTimeline: Hashable, Sendable {
  public enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
    case compute
    /// Packing, sending, waiting for messages, unpacking and adding them.
    case communication
  }

  public struct Event: Hashable, Sendable {
    /// The number of the graph's node; as many as there are nodes of what comes after all of them.
    public let name: Int
    public let kind: Kind
    /// Of the threads that run tiles.
    public let lane: Int
    /// Seconds since the run began.
    public let start: Double
    /// Seconds.
    public let duration: Double
  }

  public internal(set) var events: [Event] = []
  /// Of the whole run.
  public internal(set) var seconds = 0.0

  public init() {}
}

/// Where a run's memory is. Unchecked, for a program's operations that run at the same time write to places
/// of their own.
struct Addresses: @unchecked Sendable {
  let externals: [UnsafeMutableRawPointer]
  let fixed: UnsafeMutableRawPointer
  let lanes: [UnsafeMutableRawPointer]

  subscript(place: Program.Place) -> UnsafeMutableRawPointer { self[place, nil] }

  subscript(place: Program.Place, lane: Int?) -> UnsafeMutableRawPointer {
    switch place.memory {
    case .external(let number): externals[number] + place.offset
    case .fixed(let offset): fixed + offset + place.offset
    case .lane(let offset): lanes[lane ?? 0] + offset + place.offset
    }
  }

  /// What needs no other rank.
  func perform(_ action: Program.Action, lane: Int?) {
    switch action {
    case .clear(let place, let bytes):
      self[place, lane].initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    case .copy(let source, let target, let bytes):
      self[target, lane].copyMemory(from: self[source, lane], byteCount: bytes)
    case .add(let source, let target, let count, let type):
      switch type {
      case .float32: add(Float.self, self[source, lane], to: self[target, lane], count: count)
      case .float64: add(Double.self, self[source, lane], to: self[target, lane], count: count)
      case .uint8, .int32, .int64:
        preconditionFailure("whole numbers have no terms: sums of them are in floating point")
      }
    case .kernel(let kernel):
      switch kernel.type {
      case .float32: run(kernel, Float.self, lane)
      case .float64: run(kernel, Double.self, lane)
      case .uint8, .int32, .int64: preconditionFailure("contractions are of floating point")
      }
    case .work(let work):
      work.work.run(
        work.inputs.map { UnsafeRawPointer(self[$0, lane]) }, work.outputs.map { self[$0, lane] },
        workspace: self[work.workspace, lane], shift: work.shift)
    case .start, .finish, .allReduce, .tiles:
      preconditionFailure("ranks communicate outside of tiles")
    }
  }

  private func add<Element: TensorElement>(
    _: Element.Type, _ source: UnsafeMutableRawPointer, to target: UnsafeMutableRawPointer,
    count: Int
  ) {
    Element.addAll(
      UnsafePointer(source.assumingMemoryBound(to: Element.self)),
      to: target.assumingMemoryBound(to: Element.self), count: count)
  }

  private func run<Element: TensorElement>(
    _ kernel: Program.Kernel, _: Element.Type, _ lane: Int?
  ) {
    var one: Element = 1
    withUnsafePointer(to: &one) { one in
      let sources = kernel.sources.map { place in
        place.map { UnsafePointer(self[$0, lane].assumingMemoryBound(to: Element.self)) } ?? one
      }
      kernel.nest.run(
        into: self[kernel.destination, lane].assumingMemoryBound(to: Element.self), sources[0],
        sources[1], workspace: self[kernel.workspace, lane].assumingMemoryBound(to: Element.self),
        adding: kernel.isAdding)
    }
  }
}

extension Program.Transfer {
  fileprivate func start(
    _ memory: Addresses, _ communicator: any Communicator
  ) throws -> (any PendingExchange)? {
    switch type.bytes {
    case 4: try start(LocalTransfer.Moves<Float>.elements, memory, communicator)
    case 8: try start(LocalTransfer.Moves<Double>.elements, memory, communicator)
    default: try start(LocalTransfer.Moves<UInt8>.bytes, memory, communicator)
    }
  }

  fileprivate func finish(_ memory: Addresses) {
    switch type.bytes {
    case 4: finish(LocalTransfer.Moves<Float>.elements, memory)
    case 8: finish(LocalTransfer.Moves<Double>.elements, memory)
    default: finish(LocalTransfer.Moves<UInt8>.bytes, memory)
    }
  }

  private func start<Element>(
    _ moves: LocalTransfer.Moves<Element>, _ memory: Addresses, _ communicator: any Communicator
  ) throws -> (any PendingExchange)? {
    func address(_ place: Program.Place) -> UnsafeMutablePointer<Element> {
      memory[place].assumingMemoryBound(to: Element.self)
    }
    return try local.start(
      from: UnsafePointer(address(source)), to: address(target), outgoing: outgoing.map(address),
      incoming: incoming.map(address), communicator: communicator, moves)
  }

  private func finish<Element>(
    _ moves: LocalTransfer.Moves<Element>, _ memory: Addresses
  ) {
    func address(_ place: Program.Place) -> UnsafeMutablePointer<Element> {
      memory[place].assumingMemoryBound(to: Element.self)
    }
    local.finish(
      from: UnsafePointer(address(source)),
      incoming: incoming.map { UnsafePointer(address($0)) }, to: address(target), moves)
  }
}
