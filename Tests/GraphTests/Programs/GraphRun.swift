import Collectives
import Kernels
import Partitioning
import Testing

@testable import Execution
@testable import Graph

/// A graph carried out as programs, one for each rank of a mesh, on threads.
///
/// Every run checks what holds of any: memory and traffic are what the programs say, and ranks that
/// hold copies hold the same bits.
struct GraphRun {
  /// What goes out, put together of the ranks' parts.
  struct Outcome {
    /// Of each run, by name.
    var results: [[String: DoubleTensor]] = []
    /// By name, what the sources are after the last run.
    var sources: [String: DoubleTensor] = [:]
    /// Of each rank, all that is in its external values after the last run.
    var bits: [[[UInt8]]] = []
  }

  /// What one rank leaves.
  private struct Part: Sendable {
    var runs: [[[UInt8]]] = []
    var boxes: [Box] = []
    var peakBytes = 0
    var expectedPeakBytes = 0
    var received: [Int] = []
    var expectedReceived = 0
    var hash: UInt64 = 0
  }

  let graph: Graph
  var mesh = Mesh(axes: [1])
  /// Where a source rests: by name, or else cut by roles.
  var layouts: [String: Layout] = [:]
  var roles: [AxisRole: Int] = [:]
  var options = ProgramOptions(threads: 1)
  var checkpointing = Checkpointing.keep

  init(_ graph: Graph) { self.graph = graph }

  var distribution: GraphDistribution {
    GraphDistribution(graph, mesh: mesh) { source in
      let value = graph[source.value]
      return layouts[value.name] ?? .cutting(value, roles, mesh: mesh)
    }
  }

  /// - Parameter times: Runs in a row, each on what the one before left in the sources.
  func outcome(_ sources: [String: DoubleTensor], times: Int = 1) throws -> Outcome {
    let distribution = distribution
    let (graph, options) = (self.graph, self.options)
    let inputs = try graph.sources.map { try #require(sources[graph[$0.value].name]) }
    let passes = ContractionPasses(checkpointing: checkpointing)
    let parts = try ThreadCommunicator.run(ranks: mesh.ranks) { communicator in
      let program = try Program(
        graph, distribution, rank: communicator.rank, passes: passes, options: options)
      let meter = MemoryMeter()
      let externals = program.externals.map { Storage(bytes: $0.bytes, meter: meter) }
      for storage in externals {
        storage.start.initializeMemory(as: UInt8.self, repeating: 255, count: storage.bytes)
      }
      for (number, input) in inputs.enumerated() {
        let external = program.externals[number]
        externals[number].set(input.piece(external.box), external.type)
      }
      let runner = ProgramRunner(program, ProgramMemory(meter: meter), communicator: communicator)
      var part = Part()
      for _ in 0..<times {
        let before = communicator.traffic
        try runner.run(externals)
        part.received.append(communicator.traffic.since(before).bytesReceived)
        part.runs.append(externals.map(\.contents))
      }
      part.boxes = program.externals.map(\.box)
      part.peakBytes = meter.peakBytes
      part.expectedPeakBytes = program.peakBytes
      part.expectedReceived = program.receivedBytes
      part.hash = program.hash
      return part
    }
    for part in parts {
      #expect(part.peakBytes == part.expectedPeakBytes, "bytes of memory")
      #expect(part.received == part.received.map { _ in part.expectedReceived }, "bytes received")
      #expect(part.hash == parts[0].hash, "what all ranks have in common")
    }
    return assembled(parts)
  }

  private func assembled(_ parts: [Part]) -> Outcome {
    var outcome = Outcome()
    let values =
      graph.sources.map { graph[$0.value] } + graph.results.map { graph[$0.value] }
    for run in parts[0].runs.indices {
      let wholes = values.indices.map { number in
        assembled(values[number], parts.map { ($0.boxes[number], $0.runs[run][number]) })
      }
      let results = zip(graph.results, wholes.dropFirst(graph.sources.count))
      outcome.results.append(Dictionary(uniqueKeysWithValues: results.map { ($0.name, $1) }))
      outcome.sources = Dictionary(
        uniqueKeysWithValues: zip(graph.sources, wholes).map { (graph[$0.value].name, $1) })
    }
    outcome.bits = parts.map { $0.runs.last ?? [] }
    return outcome
  }

  private func assembled(_ value: Value, _ parts: [(box: Box, bytes: [UInt8])]) -> DoubleTensor {
    var whole = DoubleTensor(value.shape, filledWith: .nan)
    var known = [[UInt8]?](repeating: nil, count: value.count)
    for part in parts {
      let tensor = DoubleTensor(part.box.shape, part.bytes, value.type)
      for (number, offset) in part.box.offsets(in: value.shape).enumerated() {
        let bytes = Array(part.bytes[number * value.type.bytes..<(number + 1) * value.type.bytes])
        #expect(known[offset] == nil || known[offset] == bytes, "copies of \(value.name) differ")
        known[offset] = bytes
        whole.elements[offset] = tensor.elements[number]
      }
    }
    #expect(!known.contains(nil), "no rank has some of \(value.name)")
    return whole
  }

  /// Runs, and compares what goes out with the interpreter's values.
  @discardableResult
  func check(
    _ sources: [String: DoubleTensor], times: Int = 1, tolerance: Double = 1e-10,
    _ comment: String = ""
  ) throws -> Outcome {
    let outcome = try outcome(sources, times: times)
    let expected = try GraphMeaning(graph, sources, times: times)
    expected.compare(outcome, tolerance: tolerance, "\(comment) \(mesh.axes) \(roles) \(options)")
    return outcome
  }
}

/// What the interpreter says of some runs in a row.
struct GraphMeaning {
  let graph: Graph
  let results: [[String: DoubleTensor]]
  let sources: [String: DoubleTensor]

  init(_ graph: Graph, _ sources: [String: DoubleTensor], times: Int = 1) throws {
    self.graph = graph
    var sources = sources
    var results: [[String: DoubleTensor]] = []
    for _ in 0..<times {
      let values = try Interpreter(graph: graph).values(sources)
      results.append(
        Dictionary(
          uniqueKeysWithValues: graph.results.map { ($0.name, values[$0.value.index]) }))
      for effect in graph.effects {
        sources[graph[effect.source].name] = values[effect.becomes.index]
      }
    }
    self.results = results
    self.sources = sources
  }

  func compare(_ outcome: GraphRun.Outcome, tolerance: Double, _ comment: String) {
    for (run, expected) in results.enumerated() {
      for (name, tensor) in expected {
        let found = outcome.results[run][name]
        #expect(
          found.map { $0.difference(from: tensor) < tolerance } ?? false,
          "\(name) of run \(run): \(comment)")
      }
    }
    for source in graph.sources {
      let name = graph[source.value].name
      guard let tensor = sources[name] else { continue }
      #expect(
        outcome.sources[name].map { $0.difference(from: tensor) < tolerance } ?? false,
        "\(name) after the last run: \(comment)")
    }
  }
}

extension Graph {
  /// The graph with more results: values under their names.
  func with(results values: [ValueID]) throws(GraphError) -> Graph {
    var builder = GraphBuilder(self)
    for value in Set(values).sorted() {
      try builder.result("result of \(self[value].name)", value)
    }
    return try builder.build()
  }
}

extension BuiltCase {
  /// Outputs, and if there is an adjoint, gradients.
  func withResults(differentiated: Bool) throws -> Graph {
    guard differentiated else { return try graph.with(results: outputs + [loss]) }
    let (graph, gradients) = try graph.differentiated([loss], withRespectTo: variables)
    return try graph.with(results: outputs + gradients.compactMap { $0 })
  }
}

extension Storage {
  fileprivate func set(_ tensor: DoubleTensor, _ type: ElementType) {
    let memory = TestMemory(tensor, type)
    start.copyMemory(from: memory.start, byteCount: bytes)
  }

  fileprivate var contents: [UInt8] { Array(UnsafeRawBufferPointer(start: start, count: bytes)) }
}

extension DoubleTensor {
  /// Elements of a type, as they lie in memory.
  fileprivate init(_ shape: [Int], _ bytes: [UInt8], _ type: ElementType) {
    let memory = TestMemory(count: bytes.count)
    bytes.withUnsafeBytes { source in
      if let start = source.baseAddress {
        memory.start.copyMemory(from: start, byteCount: source.count)
      }
    }
    self = memory.tensor(shape, type)
  }
}
