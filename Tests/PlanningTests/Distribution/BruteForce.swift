import Partitioning

@testable import Planning

/// The best plan found by trying them all, without any of the search's code.
///
/// The space: every order; of every step every way to give each rank axis of `Mesh(ranks:)` to one
/// of its modes, the axes of a mode in any order, or to none; every operand starts in any layout
/// that has each element once; what a step computes rests as it is, or with any of its partial sums
/// reduced onto any dimensions; the result ends in any layout that has each element once. Where
/// time counts these layouts are even: no rank is left without a share if that can be.
///
/// Where bytes count, a grid must share the work out. It does if all ranks have work of their own:
/// every axis cuts a mode, and none is cut into more parts than it has indices. Other grids are
/// only for steps where no grid gives the busiest rank less to do, and for steps so small that all
/// ranks together, doing what the busiest does, do no more than 5 % of the multiply-adds of the
/// cheapest order. Where time counts, all grids are tried, and one rank alone.
final class BruteForce {
  /// One way for a value to rest.
  struct Rest {
    let layout: Int
    let partial: [Int]
    let cost: Double
  }

  /// A value of a tree.
  final class Value {
    /// Its dimensions by ascending mode, for operands in their own order.
    let modes: [Int?]
    let shape: [Int]
    var rests: [Rest] = []
    var supplies: [Int: Double] = [:]

    init(modes: [Int?], shape: [Int]) {
      self.modes = modes
      self.shape = shape
    }
  }

  let expression: BoundExpression
  let objective: Objective
  let machine: MachineModel
  let mesh: Mesh
  let boxes: RankBoxes
  private var values: [String: Value] = [:]
  private var least = Double.infinity
  static let elementBytes = 4.0

  init(
    _ expression: BoundExpression, ranks: Int, objective: Objective,
    machine: MachineModel = .standard
  ) {
    self.expression = expression
    self.objective = objective
    self.machine = machine
    mesh = Mesh(ranks: ranks)
    boxes = RankBoxes(mesh: mesh, ranksPerNode: machine.ranksPerNode)
  }

  /// The objective's value of the best plan.
  static func best(
    _ expression: BoundExpression, ranks: Int, objective: Objective,
    machine: MachineModel = .standard
  ) -> Double {
    let counts = objective == .time ? Set([1, ranks]) : [ranks]
    return counts.map {
      BruteForce(expression, ranks: $0, objective: objective, machine: machine).best()
    }.min() ?? .infinity
  }

  private func best() -> Double {
    let count = expression.operands.count
    let plans = Self.orders(count).map {
      Plan(expression, order: ContractionOrder(operandCount: count, pairs: $0, optimizer: .auto))
    }
    let reference = plans.map(\.macs).min() ?? 0
    for plan in plans {
      var keys = (0..<count).map { "\($0)" }
      for (number, step) in plan.steps.enumerated() {
        let operands = step.operands.map { keys[$0] }
        let key = "(\(operands.sorted().joined(separator: " ")))"
        keys.append(key)
        if values[key] != nil { continue }
        let inputs = operands.enumerated().map { position, key in
          self.value(key, step.operandModes[position], step.operandShapes[position])
        }
        values[key] = contract(
          step, inputs, referenceMacs: reference, isLast: number == plan.steps.count - 1)
      }
      if let root = values[keys[keys.count - 1]] {
        least = root.rests.reduce(least) { min($0, $1.cost) }
      }
    }
    return least
  }

  /// Every order of n operands: each tree once for every order of its steps.
  private static func orders(_ count: Int) -> [[ContractionOrder.Pair]] {
    func extend(_ open: [Int], _ next: Int) -> [[ContractionOrder.Pair]] {
      if open.count <= 1 { return [[]] }
      return open.indices.flatMap { i in
        (i + 1..<open.count).flatMap { j in
          var rest = open
          rest.remove(at: j)
          rest.remove(at: i)
          return extend(rest + [next], next + 1).map { [.init(open[i], open[j])] + $0 }
        }
      }
    }
    return extend(Array(0..<count), count)
  }

  /// The value of a subtree; an operand starts once over all ranks in any layout.
  private func value(_ key: String, _ modes: [Int?], _ shape: [Int]) -> Value {
    if let known = values[key] { return known }
    let operand = Value(modes: modes, shape: shape)
    operand.rests = onceOverAllRanks(shape).map {
      Rest(layout: boxes.number($0), partial: [], cost: 0)
    }
    values[key] = operand
    return operand
  }

  /// Layouts that have each element once; of a scalar, which nothing can cut, copies.
  private func onceOverAllRanks(_ shape: [Int]) -> [Layout] {
    if shape.isEmpty { return [.replicated([], mesh: mesh)] }
    let layouts = placements(
      Array(mesh.axes.indices), lists: shape.map { _ in [] }, idle: false
    ).map { Layout(shape: shape, mesh: mesh, axes: $0.lists) }
    return even(layouts)
  }

  /// Those that cut no dimension into more parts than it has indices, if there are any, where time
  /// counts. (The others leave everything to few ranks, which the model, as it counts what ranks
  /// receive and not what they send, takes for an advantage: fewer messages.)
  private func even(_ layouts: [Layout]) -> [Layout] {
    guard objective == .time else { return layouts }
    let even = layouts.filter { layout in
      layout.cuts.allSatisfy { cut in
        cut.axes.reduce(1) { $0 * mesh.axes[$1] } <= max(1, cut.extent)
      }
    }
    return even.isEmpty ? layouts : even
  }

  /// Every way to add axes to lists of axes, at any place of a list, or (`idle`) to none.
  private func placements(
    _ axes: [Int], lists: [[Int]], idle: Bool, onlyAtEnd: [Int]? = nil
  ) -> [(lists: [[Int]], unused: [Int])] {
    guard let axis = axes.first else { return [(lists, [])] }
    let rest = Array(axes.dropFirst())
    var found: [(lists: [[Int]], unused: [Int])] = []
    for index in lists.indices {
      for slot in (onlyAtEnd?[index] ?? 0)...lists[index].count {
        var next = lists
        next[index].insert(axis, at: slot)
        found += placements(rest, lists: next, idle: idle, onlyAtEnd: onlyAtEnd)
      }
    }
    if idle {
      found += placements(rest, lists: lists, idle: idle, onlyAtEnd: onlyAtEnd).map {
        ($0.lists, $0.unused + [axis])
      }
    }
    return found
  }

  // MARK: One step

  /// The result of a step in all its rests.
  private func contract(
    _ step: Step, _ inputs: [Value], referenceMacs: Double, isLast: Bool
  ) -> Value {
    let order = step.resultModes.indices.sorted { step.resultModes[$0] < step.resultModes[$1] }
    let result = Value(
      modes: order.map { step.resultModes[$0] }, shape: order.map { step.resultShape[$0] })
    let geometry = StepModes(step).entries
    let cuttable = geometry.filter { entry in
      entry.extent > 1 && inputs.allSatisfy { $0.modes.count { $0 == entry.mode } <= 1 }
    }.map(\.mode)
    // The cheapest way to have computed the result in a layout.
    var computed: [Int: Double] = [:]
    let everyAxis = Array(mesh.axes.indices)
    let leastMacs =
      placements(everyAxis, lists: cuttable.map { _ in [] }, idle: true)
      .map { macs(geometry, cuttable, $0.lists) }.min() ?? 0
    for partial in partialChoices(inputs) {
      let axes = everyAxis.filter { !partial.joined().contains($0) }
      for grid in placements(axes, lists: cuttable.map { _ in [] }, idle: true) {
        let cuts = Dictionary(uniqueKeysWithValues: zip(cuttable, grid.lists))
        let work = macs(geometry, cuttable, grid.lists)
        let isShared =
          partial.joined().isEmpty && grid.unused.isEmpty
          && geometry.allSatisfy { entry in
            (cuts[entry.mode] ?? []).reduce(1) { $0 * mesh.axes[$1] } <= entry.extent
          }
        let isSmall = work * Double(mesh.axes.reduce(1, *)) <= 0.05 * referenceMacs
        if objective == .bytes && !isShared && work > leastMacs && !isSmall { continue }
        var cost = 0.0
        var elements = 0
        for (position, input) in inputs.enumerated() {
          let needed = layout(
            input, cuts, partial: partial[position], geometry: geometry, operand: position)
          cost += supply(input, boxes.number(needed), partial[position])
          elements += boxes.largestBox(needed)
        }
        let contracted = cuttable.filter { !result.modes.contains($0) }.flatMap { cuts[$0] ?? [] }
        let made = layout(
          result, cuts, partial: (contracted + partial.joined()).sorted(), geometry: [],
          operand: 0)
        elements += boxes.largestBox(made)
        cost += seconds(macs: work, elements: elements)
        computed[boxes.number(made), default: .infinity].lower(to: cost)
      }
    }
    settle(result, computed, isLast: isLast)
    return result
  }

  /// The axes along which the inputs rest as partial sums, wherever no axis holds terms of both.
  private func partialChoices(_ inputs: [Value]) -> [[[Int]]] {
    inputs.reduce([[]]) { choices, input in
      choices.flatMap { choice in
        Set(input.rests.map(\.partial)).filter { Set($0).isDisjoint(with: choice.joined()) }
          .map { choice + [$0] }
      }
    }
  }

  /// What a grid needs of an operand, or makes of the result (no `geometry`).
  private func layout(
    _ value: Value, _ cuts: [Int: [Int]], partial: [Int], geometry: [StepModes.Entry],
    operand: Int
  ) -> Layout {
    let dimensions = zip(value.modes, value.shape).map { mode, extent -> Layout.Cut in
      guard let mode, let axes = cuts[mode], !axes.isEmpty else { return .init(extent: extent) }
      guard let entry = geometry.first(where: { $0.mode == mode }), let feature = entry.feature
      else { return .init(extent: extent, axes: axes) }
      return feature == operand
        ? .init(extent: extent, axes: axes, window: entry.window) : .init(extent: extent)
    }
    return Layout(mesh: mesh, cuts: dimensions, partialAxes: partial)
  }

  /// Multiply-adds of the busiest rank.
  private func macs(_ geometry: [StepModes.Entry], _ modes: [Int], _ lists: [[Int]]) -> Double {
    boxes.coordinates.map { coordinates in
      geometry.reduce(1.0) { product, entry in
        let axes = modes.firstIndex(of: entry.mode).map { lists[$0] } ?? []
        let part = boxes.part(of: entry.extent, axes, coordinates)
        return product * Double(part.count) * Double(entry.taps)
      }
    }.max() ?? 0
  }

  // MARK: Costs

  private func seconds(macs: Double, elements: Int) -> Double {
    guard objective == .time else { return 0 }
    let arithmetic = 2 * macs / (machine.flopsPerSecond * Double(machine.threadsPerRank))
    let memory = Double(elements) * Self.elementBytes / machine.memoryBytesPerSecond
    return max(arithmetic, memory)
  }

  private func move(_ source: Int, _ target: Int) -> Double {
    let volume = boxes.volume(from: source, to: target)
    let bytes = Double(volume.elements) * Self.elementBytes
    if objective == .bytes { return bytes }
    let link = volume.crossesNodes ? machine.betweenNodes : machine.insideNode
    return Double(volume.messages) * link.latencySeconds + bytes / link.bytesPerSecond
  }

  private func supply(_ value: Value, _ needed: Int, _ partial: [Int]) -> Double {
    if let known = value.supplies[needed] { return known }
    var least = Double.infinity
    for rest in value.rests where rest.partial == partial && rest.cost < least {
      least = min(least, rest.cost + move(rest.layout, needed))
    }
    value.supplies[needed] = least
    return least
  }

  /// Where the result rests, and what that costs.
  private func settle(_ result: Value, _ computed: [Int: Double], isLast: Bool) {
    var rests: [Int: Double] = [:]
    let everywhere = onceOverAllRanks(result.shape).map { boxes.number($0) }
    for (number, cost) in computed {
      for rest in isLast ? everywhere : targets(boxes[number]).map({ boxes.number($0) })
      where cost < rests[rest, default: .infinity] {
        rests[rest, default: .infinity].lower(to: cost + move(number, rest))
      }
    }
    result.rests = rests.map {
      Rest(layout: $0.key, partial: boxes[$0.key].partialAxes, cost: $0.value)
    }.sorted { $0.cost < $1.cost }
  }

  /// What was computed, with any of its partial sums reduced onto dimensions, within the parts that
  /// there are. A scalar's sum is then on every rank.
  private func targets(_ computed: Layout) -> [Layout] {
    let partial = computed.partialAxes
    let lists = computed.cuts.map(\.axes)
    return (0..<(1 << partial.count)).flatMap { bits -> [Layout] in
      let kept = partial.indices.filter { bits >> $0 & 1 == 0 }.map { partial[$0] }
      let reduced = partial.filter { !kept.contains($0) }
      let layouts = placements(
        reduced, lists: lists, idle: lists.isEmpty, onlyAtEnd: lists.map(\.count)
      ).map {
        Layout(shape: computed.shape, mesh: mesh, axes: $0.lists, partialAxes: kept)
      }
      return even(layouts)
    }
  }
}

extension Double {
  fileprivate mutating func lower(to other: Double) { self = Swift.min(self, other) }
}
