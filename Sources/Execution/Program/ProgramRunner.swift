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
  fileprivate let meter: MemoryMeter?
  fileprivate private(set) var fixed: Storage?
  fileprivate private(set) var lanes: [Storage] = []

  public init(meter: MemoryMeter? = nil) { self.meter = meter }

  /// Makes room for a program.
  fileprivate func reserve(_ program: Program) {
    if (fixed?.bytes ?? 0) < program.fixedBytes {
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
  /// What its operations are numbered from, in what other ranks are told of them.
  private let firstNumber: Int?
  private let clock = ContinuousClock()
  private var began: ContinuousClock.Instant
  /// What is allocated along the way; after a run, what was not released.
  private var buffers: [Storage?] = []

  /// - Parameters:
  ///   - memory: which other programs may share that do not run at the same time.
  ///   - firstNumber: where all ranks' operations are alike, and so have numbers: of the first.
  public init(
    _ program: Program, _ memory: ProgramMemory, communicator: any Communicator,
    firstNumber: Int? = nil
  ) {
    self.program = program
    self.memory = memory
    self.communicator = communicator
    self.firstNumber = firstNumber
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
    buffers = Array(repeating: nil, count: program.bufferCount)
    var memory = Addresses(
      externals: externals.map(\.start), fixed: memory.fixed?.start,
      lanes: memory.lanes.prefix(program.lanes).map(\.start),
      buffers: Array(repeating: nil, count: program.bufferCount))
    let outer = communicator.step
    began = clock.now
    do {
      for (number, operation) in program.operations.enumerated() {
        try perform(operation, &memory, outer, number)
      }
    } catch {
      // Exchanges end before the buffers that they would write to.
      pending.removeAll()
      buffers = []
      throw error
    }
    communicator.enter(outer)
    timeline?.seconds = seconds(since: began)
  }

  /// What the last run left in a buffer that it allocated, and did not release.
  func buffer(_ number: Int) -> Storage? { buffers[number] }

  private func perform(
    _ operation: Program.Operation, _ memory: inout Addresses, _ outer: CollectiveStep?,
    _ number: Int
  ) throws {
    let start = clock.now
    switch operation.action {
    case .allocate(let buffer, let bytes):
      let storage = Storage(bytes: bytes, meter: self.memory.meter)
      memory.buffers[buffer] = storage.start
      buffers[buffer] = storage
    case .release(let buffer):
      memory.buffers[buffer] = nil
      buffers[buffer] = nil
    case .start(let transfer):
      enter(operation, number, "send", outer)
      pending[transfer] = try program.transfers[transfer].start(memory, communicator)
      record(operation, .communication, start)
    case .finish(let transfer):
      enter(operation, number, "receive", outer)
      try pending.removeValue(forKey: transfer)?.wait()
      let received = program.transfers[transfer]
      received.finish(memory)
      record(operation, .communication, start, receivedBytes: received.receivedBytes)
    case .allReduce(let place, let count, let type):
      enter(operation, number, "sum", outer)
      try allReduce(memory[place], count: count, type)
      record(
        operation, .communication, start,
        receivedBytes: Traffic.received(
          by: program.rank, size: program.ranks,
          in: .allReduce(count: count, elementBytes: type.bytes)))
    case .tiles(let tiles):
      enter(operation, number, nil, outer)
      runTiles(tiles, memory)
    default:
      enter(operation, number, nil, outer)
      memory.perform(operation.action, lane: nil)
      record(operation, .compute, start)
      if !pending.isEmpty { communicator.progress() }
    }
  }

  /// Says what this rank does now.
  private func enter(
    _ operation: Program.Operation, _ number: Int, _ verb: String?, _ outer: CollectiveStep?
  ) {
    guard program.ranks > 1 else { return }
    let step = CollectiveStep(
      number: firstNumber.map { $0 + number } ?? 0,
      description: operation.text ?? verb.map { "\($0) \(program.names[operation.name])" }
        ?? program.names[operation.name])
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
    let (clock, began, program) = (clock, began, program)
    ThreadPool.run(count: min(tiles.count, program.lanes)) { lane in
      while true {
        let tile = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard tile < tiles.count else { return }
        for operation in tiles[tile] {
          let start = clock.now
          memory.perform(operation.action, lane: lane)
          guard isTimed else { continue }
          let event = ProgramTimeline.Event(
            name: operation.name, text: program.text(of: operation), kind: .compute, lane: lane,
            start: (start - began) / .seconds(1), duration: (clock.now - start) / .seconds(1))
          events.withLock { $0.append(event) }
        }
      }
    }
    timeline?.events += events.withLock { $0 }
  }

  private func record(
    _ operation: Program.Operation, _ kind: ProgramTimeline.Kind,
    _ start: ContinuousClock.Instant, receivedBytes: Int = 0
  ) {
    guard timeline != nil else { return }
    var role: ContractionNest.Role?
    if case .kernel(let kernel) = operation.action { role = kernel.role }
    timeline?.events.append(
      ProgramTimeline.Event(
        name: operation.name, text: program.text(of: operation), kind: kind, role: role,
        start: (start - began) / .seconds(1), duration: seconds(since: start),
        receivedBytes: receivedBytes))
  }

  private func seconds(since start: ContinuousClock.Instant) -> Double {
    (clock.now - start) / .seconds(1)
  }
}

/// Where a run's memory is. Unchecked, for a program's operations that run at the same time write to places
/// of their own.
struct Addresses: @unchecked Sendable {
  let externals: [UnsafeMutableRawPointer]
  let fixed: UnsafeMutableRawPointer?
  let lanes: [UnsafeMutableRawPointer]
  var buffers: [UnsafeMutableRawPointer?]

  subscript(place: Program.Place) -> UnsafeMutableRawPointer { self[place, nil] }

  subscript(place: Program.Place, lane: Int?) -> UnsafeMutableRawPointer {
    switch place.memory {
    case .external(let number): externals[number] + place.offset
    case .fixed(let offset): known(fixed) + offset + place.offset
    case .lane(let offset): lanes[lane ?? 0] + offset + place.offset
    case .buffer(let number): known(buffers[number]) + place.offset
    }
  }

  private func known(_ start: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer {
    guard let start else {
      preconditionFailure("a program uses memory before it has it: a wrong result")
    }
    return start
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
        workspace: self[work.workspace, lane])
    case .allocate, .release, .start, .finish, .allReduce, .tiles:
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
  var receivedBytes: Int { local.receivedCount * type.bytes }

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
