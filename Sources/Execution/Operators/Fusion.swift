import Graph
import Kernels

/// Nodes of a chain that are carried out in one sweep.
///
/// ```swift
/// for fused in try fusions(of: chain, stored: [y], context) {
///   // takes the place of the last of the nodes; none of the others is carried out
///   print(fused.nodes, fused.inputs, fused.outputs)
/// }
/// ```
struct FusedNodes: Sendable {
  /// Indices into the chain, ascending (need not be adjacent). No node is in two of a chain's
  /// sweeps: what several of them find again on their way is with the first.
  let nodes: [Int]
  /// What the sweep reads, in the order of the work's inputs; a value may be there twice.
  let inputs: [ValueID]
  /// What it writes; all else that the nodes make is never stored.
  let outputs: [ValueID]
  let work: any OperatorWork
}

/// A node in a chain, with its part.
struct ChainNode: Sendable {
  let inputs: [ValueID]
  let outputs: [ValueID]
  let part: NodePart
}

/// The fused sweeps that a chain's nodes can be carried out in.
///
/// A sweep is of float32: of batch normalisations (over all axes but the last, scaled along that) and
/// of what stands beside them, where it finds normalised values again from x wherever they are read; or of
/// a sum of gradients and what it is multiplied by.
///
///     forward   Normalization → ReLU;  → Add → ReLU, of one or two normalisations;
///               → (ReLU →) MaxPool, of square windows side by side, along the two axes before the
///               last
///     back      (MaxPoolAdjoint →) (ReLU's adjoint →) NormalizationSums or NormalizationAdjoint;
///               Add → a function's adjoint
///
/// Values between the nodes of a sweep are not stored, so no sweep is made around one that is needed
/// after the chain, or by a node that is in no sweep.
///
/// - Parameters:
///   - chain: In an order in which the nodes can be carried out.
///   - stored: Values that are needed after the chain.
/// - Returns: In the order of their last nodes.
func fusions(
  of chain: [ChainNode], stored: Set<ValueID>, _ context: Context
) throws(ExecutionError) -> [FusedNodes] {
  var choice = FusionChoice(FusionPatterns(chain), stored: stored)
  choice.settle()
  return choice.fused
}

/// Chooses among the sweeps that end in each node of a chain.
private struct FusionChoice {
  let chain: [ChainNode]
  let stored: Set<ValueID>
  /// By node, the sweeps that may end in it, the best first; those that cannot be are taken away.
  var sweeps: [ArraySlice<FusedSweep>]
  /// By node, the nodes that read what it makes.
  let users: [[Int]]

  init(_ patterns: FusionPatterns, stored: Set<ValueID>) {
    chain = patterns.chain
    self.stored = stored
    sweeps = chain.indices.map { patterns.sweeps(endingIn: $0)[...] }
    var users = chain.map { _ in [Int]() }
    for (index, node) in chain.enumerated() {
      for producer in Set(node.inputs.compactMap { patterns.producers[$0] }) {
        users[producer].append(index)
      }
    }
    self.users = users
  }

  /// Which values are read, or needed later, and which nodes are carried out, alone or as the last
  /// of a sweep, if every node's first sweep is taken.
  private func demand() -> (values: Set<ValueID>, isCarriedOut: [Bool]) {
    var values = stored
    var isCarriedOut = chain.map { _ in false }
    for (index, node) in chain.enumerated().reversed() {
      guard users[index].isEmpty || node.outputs.contains(where: values.contains) else { continue }
      isCarriedOut[index] = true
      values.formUnion(sweeps[index].first?.inputs ?? node.inputs)
    }
    return (values, isCarriedOut)
  }

  /// Takes sweeps away until none is around a value that is needed: the last first, for what they read decides
  /// which values those before them may hide.
  mutating func settle() {
    while true {
      let (values, isCarriedOut) = demand()
      let unsettled = chain.indices.last { index in
        isCarriedOut[index] && sweeps[index].first?.hidden.contains(where: values.contains) == true
      }
      guard let unsettled else { return }
      sweeps[unsettled].removeFirst()
    }
  }

  var fused: [FusedNodes] {
    let isCarriedOut = demand().isCarriedOut
    // By node, where its sweep ends. A node that is not carried out has users, which are in sweeps.
    var ends = chain.map { _ in Int.max }
    for index in chain.indices.reversed() {
      if !isCarriedOut[index] {
        ends[index] = users[index].map { ends[$0] }.min() ?? .max
      } else if !sweeps[index].isEmpty {
        ends[index] = index
      }
    }
    return chain.indices.compactMap { end in
      guard isCarriedOut[end], let sweep = sweeps[end].first else { return nil }
      return FusedNodes(
        nodes: ends.indices.filter { ends[$0] == end }, inputs: sweep.inputs,
        outputs: chain[end].outputs, work: sweep.work)
    }
  }
}
