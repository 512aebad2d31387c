import Collectives
import Execution
import Formats
import Graph
import Kernels
import Partitioning

/// A network on one rank: what it has learned, what its optimizer remembers, and the programs of its steps,
/// made for each number of samples when it first comes by.
///
/// All ranks of the communicator make the same calls.
///
/// ```swift
/// let network = try NetworkSteps(
///   .resnet20(), extents: [32, 32], channels: 3, classes: 10, communicator: SingleCommunicator())
/// let sums = try network.train(images, labels: labels, learningRate: 0.05)
/// print(sums.loss / Double(labels.count), network.parameterCount)
/// ```
public final class NetworkSteps {
  /// What a step adds up over all samples.
  public struct Sums: Hashable, Sendable {
    public let loss: Double
    public let correct: Int
    /// Ranks that are asked to stop.
    public let stopping: Int
  }

  /// A tensor by name: of all ranks alike.
  public struct Named: Sendable {
    public let name: String
    public let kind: Graph.Source.Kind
    public let value: Value
    let storage: Storage
  }

  /// What a step took on this rank.
  public struct Measurement: Sendable {
    public let program: Program
    public let timeline: ProgramTimeline
    public let receivedBytes: Int
    /// What the meter has counted up to the end of the step; 0 without one.
    public let peakBytes: Int
  }

  /// How many programs are kept at most; of others the one that was used longest ago goes.
  private static let mostPrograms = 8

  public let programs: StepPrograms
  public let communicator: any Communicator
  public let seed: UInt64
  /// Whether training steps are recorded.
  public var isRecording = false
  /// Of the last step that was.
  public private(set) var measurement: Measurement?
  private let meter: MemoryMeter?
  private let memory: ProgramMemory
  /// In the order of the graph's sources: parameters, running statistics, the optimizer's state.
  public private(set) var tensors: [Named] = []
  private var numbers: [String: Int] = [:]
  /// Steps on tensors so far.
  var stepCount = 0
  private var runners: [Key: Prepared] = [:]
  private var recency: [Key] = []

  struct Key: Hashable {
    let mode: NetworkMode
    let samples: Int
  }

  /// A program with the memory of what is not kept from step to step.
  struct Prepared {
    let runner: ProgramRunner
    let storages: [Storage]
    /// By name, the place in `storages`.
    let numbers: [String: Int]
  }

  /// - Parameters:
  ///   - extents: Of an image: depth, height, width, as many as there are.
  ///   - type: Of images, parameters and state: float32 or float64.
  ///   - meter: Counts all memory of values and programs.
  /// - Throws: `LayerError`, `NetworkError`, `GraphError`, of a network that cannot be made.
  public convenience init(
    _ description: NetworkDescription, extents: [Int], channels: Int, classes: Int,
    type: ElementType = .float32,
    optimizer: OptimizerConfiguration = OptimizerConfiguration(), seed: UInt64 = 0,
    checkpointing: Checkpointing = .keep, sharding: Sharding? = nil,
    communicator: any Communicator, context: Context = .process,
    options: ProgramOptions = ProgramOptions(),
    meter: MemoryMeter? = nil
  ) throws {
    let programs = StepPrograms(
      description, extents: extents, channels: channels, classes: classes, type: type,
      optimizer: optimizer, sharding: sharding ?? Sharding(batch: communicator.size, rows: 1),
      passes: ContractionPasses(context: context, checkpointing: checkpointing), options: options)
    try self.init(programs, seed: seed, communicator: communicator, meter: meter)
  }

  /// - Precondition: the programs are for as many ranks as the communicator has.
  public init(
    _ programs: StepPrograms, seed: UInt64 = 0, communicator: any Communicator,
    meter: MemoryMeter? = nil
  ) throws {
    precondition(
      programs.sharding.ranks == communicator.size, "programs for another number of ranks")
    self.programs = programs
    self.seed = seed
    self.communicator = communicator
    self.meter = meter
    memory = ProgramMemory(meter: meter)
    let made = try programs.graph(.training, samples: 1)
    let step = try made.trainingStep(programs.optimizer, ranks: communicator.size)
    for source in step.sources where source.kind != .input {
      let value = step[source.value]
      let storage = Storage(bytes: value.bytes, meter: meter)
      storage.clear()
      made.initializations[value.name]?.fill(storage, value, seed: seed)
      numbers[value.name] = tensors.count
      tensors.append(Named(name: value.name, kind: source.kind, value: value, storage: storage))
    }
  }

  /// Elements of all that is trained.
  public var parameterCount: Int {
    tensors.reduce(0) { count, tensor in
      if case .parameter = tensor.kind { count + tensor.value.count } else { count }
    }
  }

  /// The first parameter with an element that is not finite.
  var firstNonFiniteParameter: String? {
    tensors.first { tensor in
      guard case .parameter = tensor.kind else { return false }
      return !tensor.isFinite
    }?.name
  }

  public var sharding: Sharding { programs.sharding }

  private func prepared(_ key: Key) throws -> Prepared {
    recency.removeAll { $0 == key }
    recency.append(key)
    if let known = runners[key] { return known }
    // Memory of a program that is not run again is better had by this one.
    while runners.count >= Self.mostPrograms { runners[recency.removeFirst()] = nil }
    let program = try programs.program(
      key.mode, samples: key.samples, rank: communicator.rank)
    try communicator.requireEqual(program.hash, what: "program of a step")
    var storages: [Storage] = []
    var places: [String: Int] = [:]
    for external in program.externals {
      let name = external.source == nil ? "result \(external.name)" : external.name
      places[name] = storages.count
      if let number = numbers[external.name], external.source != nil {
        storages.append(tensors[number].storage)
      } else {
        storages.append(Storage(bytes: external.bytes, meter: meter))
      }
    }
    let prepared = Prepared(
      runner: ProgramRunner(program, memory, communicator: communicator),
      storages: storages, numbers: places)
    runners[key] = prepared
    return prepared
  }

  /// This rank's part of a batch: samples, rows, … of the images.
  public func part(of samples: Int) -> Box {
    programs.part(of: samples, rank: communicator.rank)
  }

  /// One training step, on all ranks together.
  ///
  /// - Parameters:
  ///   - samples: Of all ranks together.
  ///   - number: Of the step, from 1.
  ///   - isStopping: Whether this rank is asked to stop.
  ///   - fill: Writes this rank's part of the images and of the labels (`part(of:)`).
  public func train(
    _ samples: Int, learningRate: Double, step number: Int, isStopping: Bool = false,
    _ fill: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Int32>) throws -> Void
  ) throws -> Sums {
    let prepared = try prepared(Key(mode: .training, samples: samples))
    prepared.set(StepName.learningRate, learningRate)
    prepared.set(StepName.step, Int64(number))
    prepared.set(StepName.key, [Int64(bitPattern: seed), Int64(number)])
    guard isRecording else { return try run(prepared, isStopping, fill) }
    prepared.runner.timeline = ProgramTimeline()
    defer { prepared.runner.timeline = nil }
    let before = communicator.traffic
    let sums = try run(prepared, isStopping, fill)
    measurement = Measurement(
      program: prepared.runner.program,
      timeline: prepared.runner.timeline ?? ProgramTimeline(),
      receivedBytes: communicator.traffic.since(before).bytesReceived,
      peakBytes: meter?.peakBytes ?? 0)
    return sums
  }

  /// The loss of a batch by the running statistics, on all ranks together.
  public func evaluate(
    _ samples: Int, isStopping: Bool = false,
    _ fill: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Int32>) throws -> Void
  ) throws -> Sums {
    try run(try prepared(Key(mode: .evaluation, samples: samples)), isStopping, fill)
  }

  private func run(
    _ prepared: Prepared, _ isStopping: Bool,
    _ fill: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Int32>) throws -> Void
  ) throws -> Sums {
    prepared.set(StepName.stopping, isStopping ? 1.0 : 0.0)
    guard let images = prepared.numbers[StepName.images],
      let labels = prepared.numbers[StepName.labels]
    else { preconditionFailure("a step without images or labels") }
    try fill(
      prepared.floats(images), prepared.storages[labels].start.assumingMemoryBound(to: Int32.self))
    prepared.widen(images)
    try prepared.runner.run(prepared.storages)
    return Sums(
      loss: prepared.result(StepName.loss), correct: Int(prepared.result(StepName.correct)),
      stopping: Int(prepared.result(StepName.stopping)))
  }
}

extension NetworkSteps.Prepared {
  fileprivate func set<Number>(_ name: String, _ numbers: [Number]) {
    guard let place = self.numbers[name] else { return }
    storages[place].start.assumingMemoryBound(to: Number.self).update(
      from: numbers, count: numbers.count)
  }

  fileprivate func set<Number: Numeric>(_ name: String, _ number: Number) { set(name, [number]) }

  /// Where numbers of float32 are to be written for a storage of float32, or of float64 before
  /// `widen`.
  fileprivate func floats(_ place: Int) -> UnsafeMutablePointer<Float> {
    let external = runner.program.externals[place]
    let bytes = external.type == .float64 ? external.bytes / 2 : 0
    return (storages[place].start + bytes).assumingMemoryBound(to: Float.self)
  }

  /// Makes numbers of float32 in the second half of a storage of float64 its elements.
  fileprivate func widen(_ place: Int) {
    let external = runner.program.externals[place]
    guard external.type == .float64 else { return }
    let start = storages[place].start
    let count = external.bytes / MemoryLayout<Double>.stride
    let floats = start + external.bytes / 2
    // Element i ends where the number i + 1 begins, or before.
    for index in 0..<count {
      let number = floats.load(fromByteOffset: 4 * index, as: Float.self)
      start.storeBytes(of: Double(number), toByteOffset: 8 * index, as: Double.self)
    }
  }

  fileprivate func result(_ name: String) -> Double {
    numbers["result \(name)"].map { storages[$0].start.load(as: Double.self) } ?? .nan
  }
}

extension NetworkSteps.Named {
  /// Whether it is what an optimizer remembers of a parameter: named after both.
  var isOptimizers: Bool { kind == .state && name.contains("/") }

  /// The elements, as a copy. Of a float64 value rounded.
  public var tensor: Tensor<Float> {
    switch value.type {
    case .float64: Tensor(shape: value.shape, elements: buffer(of: Double.self).map(Float.init))
    default: Tensor(shape: value.shape, elements: buffer(of: Float.self))
    }
  }

  /// The elements as they are, as a copy.
  var elements: Safetensors.Elements {
    switch value.type {
    case .float64: .float64(Array(buffer(of: Double.self)))
    default: .float32(Array(buffer(of: Float.self)))
    }
  }

  var isFinite: Bool {
    switch value.type {
    case .float64: buffer(of: Double.self).allSatisfy(\.isFinite)
    default: buffer(of: Float.self).allSatisfy(\.isFinite)
    }
  }

  /// Replaces the elements.
  ///
  /// - Precondition: as many, and of the same type.
  func set(_ elements: Safetensors.Elements) {
    precondition(elements.count == value.count, "\(name): \(elements.count) elements")
    let bytes = UnsafeMutableRawBufferPointer(start: storage.start, count: value.bytes)
    switch (value.type, elements) {
    case (.float32, .float32(let numbers)): numbers.withUnsafeBytes { bytes.copyMemory(from: $0) }
    case (.float64, .float64(let numbers)): numbers.withUnsafeBytes { bytes.copyMemory(from: $0) }
    default: preconditionFailure("\(name): elements of another type than \(value.type)")
    }
  }

  private func buffer<Number>(of type: Number.Type) -> UnsafeBufferPointer<Number> {
    UnsafeBufferPointer(
      start: storage.start.assumingMemoryBound(to: Number.self), count: value.count)
  }
}

extension Sharding {
  /// Where the ranks hold a value of a step: samples and rows are cut, whatever has them.
  func layout(of value: Value) -> Layout {
    if value.name == StepName.stopping {
      return Layout(
        shape: value.shape, mesh: mesh, axes: [mesh.axes.indices.filter { mesh.axes[$0] > 1 }])
    }
    let isField = value.name == StepName.images || value.name == StepName.labels
    return isField
      ? .cutting(value, [.batch: 0, .space: 1], mesh: mesh)
      : .replicated(value.shape, mesh: mesh)
  }

  func distribution(of step: Graph) -> GraphDistribution {
    GraphDistribution(step, mesh: mesh) { layout(of: step[$0.value]) }
  }
}

extension ParameterInitialization {
  /// Writes initial elements, which depend on the seed and the value's name only.
  func fill(_ storage: Storage, _ value: Value, seed: UInt64) {
    let random = CounterRandom(seed: seed, purpose: .initialWeights, item: stableHash(value.name))
    func element(_ index: Int) -> Float {
      switch self {
      case .normal(let deviation): Float(deviation) * random.normal(at: index)
      case .uniform(let bound): Float(bound) * (2 * random.uniform(at: index) - 1)
      case .constant(let number): Float(number)
      }
    }
    switch value.type {
    case .float64:
      let start = storage.start.assumingMemoryBound(to: Double.self)
      for index in 0..<value.count { start[index] = Double(element(index)) }
    default:
      let start = storage.start.assumingMemoryBound(to: Float.self)
      for index in 0..<value.count { start[index] = element(index) }
    }
  }
}
