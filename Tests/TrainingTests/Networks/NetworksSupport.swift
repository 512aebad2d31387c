import Collectives
import Execution
import Graph
import Kernels
import Partitioning
import TestSupport

@testable import Training

func uniform(_ shape: [Int], seed: UInt64) -> Tensor<Float> {
  TensorData.uniform.tensor(shape, seed: seed, operand: 0)
}

/// A tensor as a parameter of this name begins.
func drawn(
  _ initialization: ParameterInitialization, _ shape: [Int], seed: UInt64, _ name: String
) -> Tensor<Float> {
  let value = Value(name: name, type: .float32, axes: shape.map { Axis("x", .other, $0) })
  let storage = Storage(bytes: value.bytes)
  initialization.fill(storage, value, seed: seed)
  return tensor(storage, value.shape)
}

func tensor(_ storage: Storage, _ shape: [Int]) -> Tensor<Float> {
  Tensor(
    shape: shape,
    elements: UnsafeBufferPointer(
      start: storage.start.assumingMemoryBound(to: Float.self), count: shape.reduce(1, *)))
}

/// The logits of a network as it begins, on one rank.
func forward(
  _ made: NetworkGraph, _ images: Tensor<Float>, seed: UInt64, context: Context = .process
) throws -> Tensor<Float> {
  let graph = made.graph
  let distribution = GraphDistribution(graph, mesh: Mesh(axes: [1])) {
    .replicated(graph[$0.value].shape, mesh: Mesh(axes: [1]))
  }
  let program = try Program(
    graph, distribution, rank: 0, passes: ContractionPasses(context: context))
  let storages = program.externals.map { external in
    let storage = Storage(bytes: external.bytes)
    storage.clear()
    if let source = graph.source(external.name) {
      made.initializations[external.name]?.fill(storage, graph[source], seed: seed)
    }
    return storage
  }
  for (external, storage) in zip(program.externals, storages) where external.name == "images" {
    images.withPointer { storage.start.copyMemory(from: $0, byteCount: external.bytes) }
  }
  try ProgramRunner(program, ProgramMemory(), communicator: SingleCommunicator()).run(storages)
  for (external, storage) in zip(program.externals, storages)
  where external.source == nil && external.name == "logits" {
    return tensor(storage, external.box.shape)
  }
  return Tensor(shape: [0])
}

/// What a rank has of a tensor.
func box(_ tensor: Tensor<Float>, _ box: Box) -> Tensor<Float> {
  var elements: [Float] = []
  func visit(_ dimension: Int, _ offset: Int) {
    guard dimension < tensor.shape.count else {
      elements.append(tensor.withElements { $0[offset] })
      return
    }
    for index in box.ranges[dimension] {
      visit(dimension + 1, offset * tensor.shape[dimension] + index)
    }
  }
  visit(0, 0)
  return Tensor(shape: box.shape, elements: elements)
}

/// ‖a − b‖ / max(‖b‖, 1).
func mismatchOfParts(_ a: Tensor<Float>, _ b: Tensor<Float>) -> Double {
  guard a.shape == b.shape else { return .infinity }
  let difference = Tensor<Float>(
    shape: a.shape, elements: zip(a.elements, b.elements).map { $0 - $1 })
  return difference.norm / max(b.norm, 1)
}
