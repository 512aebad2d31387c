import Partitioning

/// Where the ranks of a mesh hold a graph's values: layouts of outputs follow from those of inputs by
/// the nodes' factors, node after node.
///
/// For every axis of the mesh a node cuts the factor in which most of its inputs lie cut by that axis
/// already; without any, all ranks along the axis do the same. What an input is *needed* in is what the
/// factor says of it, windows included; what a node *makes* may be terms of a sum, or overlap; it *rests*
/// whole along such axes: summed, and plainly cut. Only where all that reads it is linear in it, and makes
/// less of it, it rests as terms, and what is made of them is summed. A contraction takes its operands as they
/// rest: what travels within it is its plan's to say.
///
/// ```swift
/// let mesh = Mesh(axes: [4])
/// let distribution = GraphDistribution(graph, mesh: mesh) { source in
///   .cutting(graph[source.value], [.batch: 0], mesh: mesh)
/// }
/// distribution.rest[loss.index]      // replicated: the ranks' terms are summed
/// ```
public struct GraphDistribution: Hashable, Sendable {
  /// The layouts of one node's inputs and outputs.
  ///
  /// ```swift
  /// distribution.nodes[7].made[0].partialAxes  // along which ranks hold terms
  /// ```
  public struct NodeLayouts: Hashable, Sendable {
    /// What each input is needed in.
    public let needed: [Layout]
    /// What is made of each output.
    public let made: [Layout]
    /// By axis of the mesh, the factor that it cuts.
    public let factors: [Int?]
    /// Whether inputs are needed as they rest. A contraction that is not local is planned for the ranks
    /// together; its adjoint leaves gradients in the duals of the operands' layouts.
    public let isLocal: Bool
  }

  public let mesh: Mesh
  /// By value, where it rests, without windows.
  public let rest: [Layout]
  /// In the order of the graph's nodes.
  public let nodes: [NodeLayouts]

  /// - Parameter source: Where a source rests.
  /// - Precondition: sources' layouts are of this mesh and of the values' shapes, without partial sums or
  ///   windows.
  public init(_ graph: Graph, mesh: Mesh, source: (Graph.Source) -> Layout) {
    self.mesh = mesh
    var rest = graph.values.map { Layout.replicated($0.shape, mesh: mesh) }
    for item in graph.sources { rest[item.value.index] = source(item).atRest }
    let readers = Readers(graph)
    var nodes: [NodeLayouts] = []
    for node in graph.nodes {
      let made = Self.distribution(of: node, graph, mesh: mesh, rest: rest)
      for (output, layout) in zip(node.outputs, made.made) {
        rest[output.index] =
          readers.takeTerms(of: output, layout, rest) ? layout : layout.atRest
      }
      nodes.append(made)
    }
    self.rest = rest
    self.nodes = nodes
  }

  /// Who reads which values.
  private struct Readers {
    let graph: Graph
    private let readers: [[Node]]
    private let goesOut: Set<ValueID>

    init(_ graph: Graph) {
      self.graph = graph
      var readers = graph.values.map { _ in [Node]() }
      for node in graph.nodes {
        for input in Set(node.inputs) { readers[input.index].append(node) }
      }
      self.readers = readers
      goesOut = Set(graph.results.map(\.value) + graph.effects.map(\.becomes))
    }

    /// Whether a value that ranks hold terms of is better left so: all that is made of it is terms too, and
    /// there is less of that to add up.
    func takeTerms(of value: ValueID, _ layout: Layout, _ rest: [Layout]) -> Bool {
      let readers = readers[value.index]
      guard !layout.partialAxes.isEmpty, layout.cuts.allSatisfy({ $0.axes.isEmpty }),
        !goesOut.contains(value), !readers.isEmpty
      else { return false }
      let made = readers.flatMap(\.outputs).reduce(0) { $0 + graph[$1].count }
      return made < graph[value].count
        && readers.allSatisfy { node in
          node.inputs.indices.allSatisfy { input in
            let other = rest[node.inputs[input].index]
            return node.inputs[input] == value
              ? node.operation.base.isLinear(in: input)
              : isSource(node.inputs[input]) && other.cuts.allSatisfy { $0.axes.isEmpty }
          }
        }
    }

    private func isSource(_ value: ValueID) -> Bool {
      graph.sources.contains { $0.value == value }
    }
  }

  private static func distribution(
    of node: Node, _ graph: Graph, mesh: Mesh, rest: [Layout]
  ) -> NodeLayouts {
    let factors = graph.factors(of: node)
    let inputs = node.inputs.map { rest[$0.index] }
    // A contraction's adjoint is cut as the contraction is: by its operands.
    let isAdjoint = node.operation.base is Operators.ContractionAdjoint
    let operandCount = inputs.count - (isAdjoint ? 1 : 0)
    let chosen = mesh.axes.indices.map { axis -> Int? in
      guard mesh.axes[axis] > 1 else { return nil }
      var weights: [Int: Int] = [:]
      for (number, factor) in factors.enumerated() where factor.mayBeCut {
        for (input, place) in factor.inputs.enumerated() {
          guard input < operandCount, let place,
            inputs[input].cuts[place.index].axes.contains(axis)
          else { continue }
          weights[number, default: 0] += max(1, graph[node.inputs[input]].count)
        }
      }
      return weights.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }
    // Terms are taken as terms by what is linear in them (`Readers.takeTerms`).
    let terms = Array(Set(inputs.flatMap(\.partialAxes))).sorted()
    func layout(
      _ value: ValueID, _ places: [Factor.Dimension?], isOutput: Bool, terms: [Int]
    ) -> Layout {
      var axes = graph[value].shape.map { _ in [Int]() }
      var windows = graph[value].shape.map { _ in Window?.none }
      var partial = terms
      for (axis, number) in chosen.enumerated() {
        guard let number else { continue }
        if let place = places[number] {
          axes[place.index].append(axis)
          windows[place.index] = place.window
        } else if isOutput {
          partial.append(axis)
        }
      }
      return Layout(
        mesh: mesh,
        cuts: graph[value].shape.indices.map {
          Layout.Cut(extent: graph[value].shape[$0], axes: axes[$0], window: windows[$0])
        }, partialAxes: partial)
    }
    let needed = node.inputs.indices.map { input in
      layout(
        node.inputs[input], factors.map { $0.inputs[input] }, isOutput: false,
        terms: inputs[input].partialAxes)
    }
    let made = node.outputs.indices.map { output in
      layout(
        node.outputs[output], factors.map { $0.outputs[output] }, isOutput: true, terms: terms)
    }
    let isLocal = zip(needed, inputs).prefix(operandCount).allSatisfy { $0 == $1 }
    guard let adjoint = node.operation.base as? Operators.ContractionAdjoint, !isLocal else {
      let isPlanned = node.operation.base is Operators.Contraction && !isLocal
      return NodeLayouts(
        needed: isPlanned ? inputs : needed, made: isPlanned ? made.map(\.atRest) : made,
        factors: chosen, isLocal: isLocal)
    }
    return NodeLayouts(
      needed: inputs.dropLast() + [needed[operandCount].withoutWindows],
      made: adjoint.neededOperands.map { inputs[$0].dual }, factors: chosen, isLocal: false)
  }
}

extension Layout {
  /// A value whose axes of some roles are cut, each by one axis of a mesh: the first axis of such a role.
  ///
  /// ```swift
  /// Layout.cutting(images, [.batch: 0, .space: 1], mesh: Mesh(axes: [4, 2]))  // samples, and rows
  /// ```
  public static func cutting(_ value: Value, _ roles: [AxisRole: Int], mesh: Mesh) -> Layout {
    var axes = value.shape.map { _ in [Int]() }
    for (role, axis) in roles where mesh.axes[axis] > 1 {
      guard let dimension = value.axes.firstIndex(where: { $0.role == role }) else { continue }
      axes[dimension] = [axis]
    }
    return Layout(shape: value.shape, mesh: mesh, axes: axes)
  }

  /// Summed over partial axes, which then hold copies, and without windows or axes that cut nothing.
  fileprivate var atRest: Layout {
    Layout(
      shape: shape, mesh: mesh,
      axes: cuts.map { $0.axes.filter { axis in mesh.extent(axis) > 1 } })
  }

  fileprivate var withoutWindows: Layout {
    Layout(shape: shape, mesh: mesh, axes: cuts.map(\.axes), partialAxes: partialAxes)
  }
}
