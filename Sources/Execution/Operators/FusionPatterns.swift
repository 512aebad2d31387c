import CKernels
import Graph
import Partitioning

/// A sweep that may take the place of a chain's node, and of others before it.
struct FusedSweep {
  /// What it reads.
  let inputs: [ValueID]
  /// Values on the way to the node's output that the sweep is to spare: if they are made anyway, it
  /// is of no use.
  let hidden: [ValueID]
  let work: any OperatorWork
}

/// What sweeps may end in the nodes of a chain (see `fusions`).
struct FusionPatterns {
  let chain: [ChainNode]
  /// By value, the node of the chain that makes it.
  let producers: [ValueID: Int]

  init(_ chain: [ChainNode]) {
    self.chain = chain
    let made = chain.enumerated().flatMap { index, node in node.outputs.map { ($0, index) } }
    producers = Dictionary(made) { first, _ in first }
  }

  /// The sweeps that may end in a node, the best first.
  func sweeps(endingIn index: Int) -> [FusedSweep] {
    let node = chain[index]
    guard node.part.inputs.first?.value.type == .float32 else { return [] }
    switch node.part.operation.base {
    case let map as Operators.Map where map.function == .relu:
      return relu(node)
    case let map as Operators.MapAdjoint:
      return gatedSum(node, map)
    case let pool as Operators.MaxPool:
      return maxPool(node, pool)
    case let sums as Operators.NormalizationSums
    where sums.axes == sums.normalization.axes && !sums.isWeighted:
      return back(node, sums.normalization, gradientSums: [])
    case let adjoint as Operators.NormalizationAdjoint where !adjoint.sumsAreWeighted:
      return back(node, adjoint.normalization, gradientSums: [node.inputs[3]])
    default:
      return []
    }
  }

  // MARK: Nodes before a node

  /// The node that makes an input of another, of the same box, if its operator is of this type.
  private func producer<Base: Operator>(
    of input: Int, of node: ChainNode, _ type: Base.Type
  ) -> (node: ChainNode, base: Base)? {
    guard let index = producers[node.inputs[input]] else { return nil }
    let producer = chain[index]
    guard let base = producer.part.operation.base as? Base,
      producer.outputs.first == node.inputs[input],
      producer.part.outputs[0].box == node.part.inputs[input].box
    else { return nil }
    return (producer, base)
  }

  /// A batch normalisation of float32, channels last.
  private struct Normalized {
    let operation: Operators.Normalization
    /// x, its sums, γ and β.
    let inputs: [ValueID]
    let output: ValueID
    let layout: ChannelLayout

    var sweeps: FusedNormalization { FusedNormalization(operation, layout) }
  }

  private func normalization(makingInput input: Int, of node: ChainNode) -> Normalized? {
    guard let (producer, base) = producer(of: input, of: node, Operators.Normalization.self),
      producer.part.inputs[0].box == node.part.inputs[input].box,
      let layout = ChannelLayout(base, producer.part.inputs[0])
    else { return nil }
    return Normalized(
      operation: base, inputs: producer.inputs, output: producer.outputs[0], layout: layout)
  }

  /// The ReLU that makes an input, and the normalisation before it.
  private func rectified(input: Int, of node: ChainNode) -> Normalized? {
    guard let (relu, map) = producer(of: input, of: node, Operators.Map.self),
      map.function == .relu
    else { return nil }
    return normalization(makingInput: 0, of: relu)
  }

  /// The pool, as the kernels of normalisations have it.
  private func geometry(
    _ windows: [PoolWindow], whole: NodePart.Piece, pooled: NodePart.Piece, _ layout: ChannelLayout
  ) -> convoy_pool? {
    guard let pool = PoolLoops(windows, whole: whole.box, pooled: pooled.box)?.plain,
      pool.window == pool.stride, pool.channels == layout.channels, layout.channels > 0
    else { return nil }
    return pool
  }

  // MARK: Forward

  private func relu(_ node: ChainNode) -> [FusedSweep] {
    if let normalized = normalization(makingInput: 0, of: node) {
      return [
        FusedSweep(
          inputs: normalized.inputs, hidden: [normalized.output], work: normalized.sweeps.relu())
      ]
    }
    guard let add = producer(of: 0, of: node, Operators.Add.self)?.node, add.inputs.count == 2
    else { return [] }
    let terms = [0, 1].map { normalization(makingInput: $0, of: add) }
    var sweeps: [FusedSweep] = []
    if let first = terms[0], let second = terms[1] {
      sweeps.append(
        FusedSweep(
          inputs: first.inputs + second.inputs,
          hidden: add.outputs + [first.output, second.output],
          work: first.sweeps.addRelu(second.operation)))
    }
    for (own, other) in [(0, 1), (1, 0)] {
      guard let normalized = terms[own] else { continue }
      sweeps.append(
        FusedSweep(
          inputs: normalized.inputs + [add.inputs[other]],
          hidden: add.outputs + [normalized.output], work: normalized.sweeps.addRelu(nil)))
    }
    return sweeps
  }

  private func maxPool(_ node: ChainNode, _ pool: Operators.MaxPool) -> [FusedSweep] {
    let rectified = rectified(input: 0, of: node)
    guard let normalized = rectified ?? normalization(makingInput: 0, of: node),
      let geometry = geometry(
        pool.windows, whole: node.part.inputs[0], pooled: node.part.outputs[0], normalized.layout)
    else { return [] }
    return [
      FusedSweep(
        inputs: normalized.inputs, hidden: [node.inputs[0], normalized.output],
        work: normalized.sweeps.maxPool(geometry, relu: rectified != nil))
    ]
  }

  // MARK: Back

  /// The gradient of a function whose value several nodes have read.
  private func gatedSum(_ node: ChainNode, _ map: Operators.MapAdjoint) -> [FusedSweep] {
    guard let add = producer(of: 1, of: node, Operators.Add.self)?.node,
      let work = try? map.work(of: node.part, summing: add.part.inputs)
    else { return [] }
    return [
      FusedSweep(inputs: add.inputs + [node.inputs[0]], hidden: add.outputs, work: work)
    ]
  }

  /// Sweeps that end in the sums of a normalisation's gradients, or in the gradient of its input.
  ///
  /// - Parameter gradientSums: What only the latter reads.
  private func back(
    _ node: ChainNode, _ normalization: Operators.Normalization, gradientSums: [ValueID]
  ) -> [FusedSweep] {
    guard let layout = ChannelLayout(normalization, node.part.inputs[0]) else { return [] }
    let isAdjoint = !gradientSums.isEmpty
    let fused = FusedNormalization(normalization, layout)
    // Whether what is found again is what the node is the adjoint of.
    func isOwn(_ other: Normalized) -> Bool {
      other.operation == normalization && Array(other.inputs[..<2]) == Array(node.inputs[..<2])
        && (!isAdjoint || other.inputs[2] == node.inputs[4])
    }
    func sweep(
      _ gradient: ValueID, _ others: [ValueID], hidden: [ValueID],
      _ sums: @autoclosure () -> SweepWork, _ adjoint: @autoclosure () -> SweepWork
    ) -> FusedSweep {
      FusedSweep(
        inputs: node.inputs[..<2] + [gradient] + gradientSums + others, hidden: hidden,
        work: isAdjoint ? adjoint() : sums())
    }
    func pooled(
      _ pool: (node: ChainNode, base: Operators.MaxPoolAdjoint), _ own: Normalized, relu: Bool,
      hidden: [ValueID]
    ) -> [FusedSweep] {
      guard
        let geometry = geometry(
          pool.base.windows, whole: pool.node.part.inputs[0], pooled: pool.node.part.inputs[2],
          layout)
      else { return [] }
      return [
        sweep(
          pool.node.inputs[2], Array(own.inputs[2...]), hidden: hidden,
          fused.pooledSums(geometry, relu: relu), fused.pooledAdjoint(geometry, relu: relu))
      ]
    }

    if let pool = producer(of: 2, of: node, Operators.MaxPoolAdjoint.self) {
      guard let own = self.normalization(makingInput: 0, of: pool.node), isOwn(own) else {
        return []
      }
      return pooled(pool, own, relu: false, hidden: [node.inputs[2]])
    }
    guard let (gate, map) = producer(of: 2, of: node, Operators.MapAdjoint.self),
      map.function == .relu
    else { return [] }
    var sweeps: [FusedSweep] = []
    if let own = rectified(input: 0, of: gate), isOwn(own) {
      if let pool = producer(of: 1, of: gate, Operators.MaxPoolAdjoint.self),
        pool.node.inputs[0] == gate.inputs[0]
      {
        sweeps += pooled(pool, own, relu: true, hidden: [node.inputs[2], gate.inputs[1]])
      }
      sweeps.append(
        sweep(
          gate.inputs[1], Array(own.inputs[2...]), hidden: [node.inputs[2]],
          fused.sums(gate: .input), fused.adjoint(gate: .input)))
    }
    sweeps.append(
      sweep(
        gate.inputs[1], (isAdjoint ? [node.inputs[4]] : []) + [gate.inputs[0]],
        hidden: [node.inputs[2]], fused.sums(gate: .output), fused.adjoint(gate: .output)))
    return sweeps
  }
}

extension ChannelLayout {
  /// The box of x, if the normalisation is one of batches, channels last, and scaled.
  fileprivate init?(_ normalization: Operators.Normalization, _ x: NodePart.Piece) {
    let last = x.shape.count - 1
    guard last >= 1, x.value.type == .float32, normalization.axes == Array(0..<last),
      normalization.parameterAxes == [last]
    else { return nil }
    self.init(rows: x.shape.dropLast().reduce(1, *), channels: x.shape[last])
  }
}
