import Execution
import Kernels
import Partitioning
import TestSupport
import Testing

@testable import Graph

/// Graphs drawn at random, as programs.
@Suite(.serialized) struct RandomProgramTests {
  private static let seeds = UInt64(0)..<(testsAreLong ? 400 : 24)

  private func built(
    _ seed: UInt64, shape: [Int], differentiated: Bool = true
  ) throws -> (graph: Graph, sources: [String: DoubleTensor]) {
    let built = try BuiltCase(RandomGraphTests.graph(seed, shape: shape))
    return (try built.withResults(differentiated: differentiated), built.sources)
  }

  @Test("in tiles of any size, on any number of threads, kept and recomputed", arguments: seeds)
  func tiles(_ seed: UInt64) throws {
    let (graph, sources) = try built(seed, shape: [seed % 3 == 0 ? 3 : 5, 3, 4])
    for elements in [1, 60, 1 << 20] {
      var bits: [[[UInt8]]]?
      for checkpointing in Checkpointing.allCases {
        for threads in 1...3 {
          var run = GraphRun(graph)
          run.options = ProgramOptions(threads: threads, tileElements: elements)
          run.checkpointing = checkpointing
          ThreadPool.use(count: threads)
          defer { ThreadPool.use(count: 1) }
          let outcome =
            bits == nil ? try run.check(sources) : try run.outcome(sources)
          #expect(bits == nil || bits == outcome.bits, "\(elements) \(checkpointing) \(threads)")
          bits = outcome.bits
        }
      }
    }
  }

  @Test("forward only", arguments: seeds)
  func forward(_ seed: UInt64) throws {
    let (graph, sources) = try built(seed, shape: [4, 3, 4], differentiated: false)
    for elements in [1, 1 << 20] {
      var run = GraphRun(graph)
      run.options = ProgramOptions(threads: 2, tileElements: elements)
      try run.check(sources)
    }
  }

  @Test("on ranks, in tiles", arguments: seeds)
  func ranks(_ seed: UInt64) throws {
    let (graph, sources) = try built(seed, shape: [seed % 3 == 0 ? 3 : 5, 3, 4])
    let meshes: [([Int], [AxisRole: Int])] = [
      ([2], [.batch: 0]), ([3], [.batch: 0]), ([7], [.batch: 0]), ([1, 3], [.space: 1]),
      ([2, 2], [.batch: 0, .space: 1]), ([2, 2], [.batch: 0]), ([2, 3], [.batch: 1, .channel: 0]),
    ]
    for (number, (axes, roles)) in meshes.enumerated() {
      for isOfFirst in [true, false] {
        guard testsAreLong || (UInt64(number) + seed).isMultiple(of: 2) == isOfFirst else {
          continue
        }
        var run = GraphRun(graph)
        run.mesh = Mesh(axes: axes)
        run.roles = roles
        if isOfFirst {
          for name in ["input2", "input3"] {
            run.layouts[name] = .replicated(sources[name]?.shape ?? [], mesh: run.mesh)
          }
        }
        run.checkpointing = number % 2 == 0 ? .keep : .recompute
        run.options = ProgramOptions(threads: 1, tileElements: number % 3 == 0 ? 60 : 1)
        try run.check(sources)
      }
    }
  }

  @Test("a residual network's step on ranks", arguments: [[1], [2], [3], [1, 2], [2, 2]])
  func network(_ axes: [Int]) throws {
    let forward = try residualNetwork()
    let (differentiated, gradients) = try forward.differentiated(
      "loss", withRespectTo: forward.parameters)
    let graph = try differentiated.with(results: gradients.compactMap { $0 })
    let sources = drawnSources(of: graph)
    for roles in [[AxisRole.batch: 0], [.batch: 0, .space: axes.count - 1]] {
      guard roles.count == 1 || axes.count == 2 else { continue }
      for checkpointing in Checkpointing.allCases {
        var run = GraphRun(graph)
        run.mesh = Mesh(axes: axes)
        run.roles = roles
        run.checkpointing = checkpointing
        run.options.tileElements = 1
        for source in graph.sources where source.kind != .input {
          let value = graph[source.value]
          run.layouts[value.name] = .replicated(value.shape, mesh: run.mesh)
        }
        try run.check(sources, times: 2)
      }
    }
  }
}
