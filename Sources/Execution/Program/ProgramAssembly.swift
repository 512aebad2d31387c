import Collectives
import Graph
import Kernels
import Partitioning
import Planning

/// How a program is to be run.
///
/// ```swift
/// ProgramOptions(threads: 1)
/// ```
public struct ProgramOptions: Hashable, Sendable {
  /// That may run tiles at the same time, each in memory of its own.
  public var threads: Int
  /// Elements that the samples of a tile have at most in what a contraction reads and writes: what one node
  /// writes is then still in a cache when the next reads it.
  public var tileElements: Int

  public init(threads: Int = ThreadPool.count, tileElements: Int = 1 << 21) {
    self.threads = threads
    self.tileElements = tileElements
  }
}

extension Program {
  /// The program of one rank for a step over a graph.
  ///
  /// - Parameters:
  ///   - distribution: of this graph.
  ///   - passes: which other programs may share.
  /// - Throws: `ExecutionError`, `ExpressionError`, `OrderError`: what planning a contraction throws.
  public init(
    _ graph: Graph, _ distribution: GraphDistribution, rank: Int, passes: ContractionPasses,
    options: ProgramOptions = ProgramOptions()
  ) throws {
    var assembly = ProgramAssembly(
      graph, distribution, rank: rank, passes: passes, options: options)
    self = try assembly.make()
  }
}

/// Lays out a rank's program, stage by stage.
struct ProgramAssembly {
  typealias Place = Program.Place

  /// Of a contraction, and the tile it was gone through in; −1: as a whole.
  struct RecordKey: Hashable {
    let node: Int
    let tile: Int
  }

  let graph: Graph
  let distribution: GraphDistribution
  let rank: Int
  let passes: ContractionPasses
  let options: ProgramOptions
  let stages: GraphStages
  var builder = ProgramBuilder()
  /// Of values that are in memory as a whole.
  private var places: [ValueID: Place] = [:]
  private var externals: [Program.External] = []
  /// By value, the last stage that reads it.
  private var lastStage: [Int]
  /// The stage under way; after all stages their number.
  private var stage = 0
  var records: [RecordKey: [Place?]] = [:]
  /// By adjoint, its contraction; and back.
  let contractionOfAdjoint: [Int: Int]
  private let adjointOfContraction: [Int: Int]
  /// Sums that are taken after all stages, by type.
  private var buckets: [ElementType: Bucket] = [:]
  private var receivedBytes = 0
  private var plainTraffic = (messages: 0, bytes: 0)
  /// By node, of what it computes, and last of what comes after all nodes.
  var nanoseconds: [Double]

  /// Values that are summed over the ranks together.
  private struct Bucket {
    var offsets: [ValueID: Int] = [:]
    var count = 0
    var place: Place?
  }

  init(
    _ graph: Graph, _ distribution: GraphDistribution, rank: Int, passes: ContractionPasses,
    options: ProgramOptions
  ) {
    self.graph = graph
    self.distribution = distribution
    self.rank = rank
    self.passes = passes
    self.options = options
    stages = GraphStages(graph, distribution)
    lastStage = graph.values.map { _ in -1 }
    nanoseconds = Array(repeating: 0, count: graph.nodes.count + 1)
    let twins = graph.contractionsOfAdjoints
    contractionOfAdjoint = twins
    adjointOfContraction = Dictionary(twins.map { ($1, $0) }) { first, _ in first }
  }

  mutating func make() throws -> Program {
    bindExternals()
    findLastStages()
    fillBuckets()
    for item in stages.stages {
      switch item {
      case .node(let node): try addNode(node)
      case .group(let nodes, let copies): try addGroup(nodes, copies: copies)
      }
      releaseAfter(stage: stage)
      stage += 1
    }
    builder.name = graph.nodes.count
    sumBuckets()
    for node in stages.deferred {
      builder.name = node
      try addNode(node)
    }
    builder.name = graph.nodes.count
    addEffects()
    let layout = builder.finish()
    return Program(
      rank: rank, ranks: distribution.mesh.ranks, externals: externals,
      operations: layout.operations, transfers: layout.transfers,
      names: graph.nodes.map(\.name) + ["results"], fixedBytes: layout.fixedBytes,
      laneBytes: layout.laneBytes, lanes: max(1, options.threads),
      bufferCount: layout.bufferCount, bufferBytes: layout.bufferBytes, liveBytes: layout.liveBytes,
      receivedBytes: receivedBytes
        + layout.transfers.reduce(0) { $0 + $1.receivedBytes },
      nodeSeconds: nanoseconds.map { $0 * 1e-9 }, plainTraffic: plainTraffic, hash: hash)
  }

  private var hash: UInt64 {
    var hash = graph.stableHash
    // What a rank sends, another expects: where the sources lie decides on that too.
    let cuts = graph.sources.flatMap { distribution.rest[$0.value.index].cuts }
    let axes = cuts.flatMap { [$0.axes.count] + $0.axes }
    for number in distribution.mesh.axes + [options.tileElements] + axes {
      hash = (hash ^ UInt64(truncatingIfNeeded: number)) &* 0x0000_0100_0000_01B3
    }
    return hash
  }

  // MARK: Values

  /// This rank's part of a value at rest.
  func box(_ value: ValueID) -> Box { distribution.rest[value.index].box(of: rank) }

  func piece(_ value: ValueID) -> NodePart.Piece {
    NodePart.Piece(value: graph[value], box: box(value))
  }

  private mutating func bindExternals() {
    for source in graph.sources {
      places[source.value] = Place(memory: .external(externals.count))
      externals.append(
        Program.External(
          name: graph[source.value].name, box: box(source.value), type: graph[source.value].type,
          source: source.kind))
    }
    for result in graph.results {
      externals.append(
        Program.External(
          name: result.name, box: box(result.value), type: graph[result.value].type, source: nil))
    }
  }

  private mutating func findLastStages() {
    for (number, stage) in stages.stages.enumerated() {
      for node in stage.nodes {
        for value in graph.nodes[node].inputs + graph.nodes[node].outputs {
          lastStage[value.index] = number
        }
      }
    }
    let later =
      stages.deferred.flatMap { graph.nodes[$0].inputs } + graph.results.map(\.value)
      + graph.effects.flatMap { [$0.source, $0.becomes] }
    for value in later { lastStage[value.index] = .max }
  }

  private mutating func releaseAfter(stage: Int) {
    for (value, place) in places where lastStage[value.index] == stage {
      builder.release(place)
      places[value] = nil
    }
  }

  func place(_ value: ValueID) -> Place {
    guard let place = places[value] else {
      preconditionFailure("\(graph[value].name) is read before it is there")
    }
    return place
  }

  /// Where a value is to be as a whole, which nothing has written yet.
  mutating func newPlace(_ value: ValueID) -> Place {
    if let known = places[value] { return known }
    let place = bucketPlace(value) ?? builder.allocateFixed(bytes: piece(value).bytes)
    places[value] = place
    return place
  }

  /// The value's place is another's.
  mutating func bind(_ value: ValueID, to place: Place) { places[value] = place }

  // MARK: Sums over ranks

  /// Whether ranks hold terms of what a node makes, which are to be added up.
  func isPartial(_ node: Int, output: Int) -> Bool {
    distribution.nodes[node].made[output].partialAxes
      != distribution.rest[graph.nodes[node].outputs[output].index].partialAxes
  }

  /// Whether every rank holds a term of it, of its full shape.
  private func isSummedOverAll(_ made: Layout) -> Bool {
    made.replicationAxes.isEmpty && made.cuts.allSatisfy { $0.axes.isEmpty }
  }

  private mutating func fillBuckets() {
    guard distribution.mesh.ranks > 1 else { return }
    let late = Set(stages.deferred)
    for (number, node) in graph.nodes.enumerated() where !late.contains(number) {
      for (output, value) in node.outputs.enumerated()
      where isPartial(number, output: output) && stages.isForLater(value)
        && isSummedOverAll(distribution.nodes[number].made[output])
        && stages.isNeeded(value)
      {
        var bucket = buckets[graph[value].type] ?? Bucket()
        bucket.offsets[value] = bucket.count
        bucket.count += graph[value].count
        buckets[graph[value].type] = bucket
      }
    }
  }

  private mutating func bucketPlace(_ value: ValueID) -> Place? {
    let type = graph[value].type
    guard var bucket = buckets[type], let offset = bucket.offsets[value] else { return nil }
    let place = bucket.place ?? builder.allocateFixed(bytes: bucket.count * type.bytes)
    bucket.place = place
    buckets[type] = bucket
    return place.advanced(bytes: offset * type.bytes)
  }

  private mutating func sumBuckets() {
    for (type, bucket) in buckets.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      guard let place = bucket.place else { continue }
      allReduce(place, count: bucket.count, type)
    }
  }

  private mutating func allReduce(_ place: Place, count: Int, _ type: ElementType) {
    builder.append(.allReduce(place, count: count, type))
    let ranks = distribution.mesh.ranks
    let bytes = Traffic.received(
      by: rank, size: ranks, in: .allReduce(count: count, elementBytes: type.bytes))
    receivedBytes += bytes
    plainTraffic.messages += 2 * (ranks - 1)
    plainTraffic.bytes += bytes
  }

  /// Takes an output from where a node has made it to where it rests.
  ///
  /// - Parameter temporary: where it is made, if not there.
  mutating func settle(_ node: Int, output: Int, from temporary: Place?) {
    let value = graph.nodes[node].outputs[output]
    let made = distribution.nodes[node].made[output]
    let rest = distribution.rest[value.index]
    if let temporary {
      move(value, from: temporary, made, to: place(value), rest)
      builder.release(temporary)
    } else if isSummedOverAll(made), isPartial(node, output: output), !isInBucket(value) {
      allReduce(place(value), count: graph[value].count, graph[value].type)
    }
  }

  private func isInBucket(_ value: ValueID) -> Bool {
    buckets[graph[value].type]?.offsets[value] != nil
  }

  /// Whether an output is made elsewhere than where it rests: it has to travel.
  func travels(_ node: Int, output: Int) -> Bool {
    let made = distribution.nodes[node].made[output]
    let rest = distribution.rest[graph.nodes[node].outputs[output].index]
    return distribution.mesh.ranks > 1 && made != rest && !isSummedOverAll(made)
  }

  /// Redistributes a value.
  mutating func move(
    _ value: ValueID, from source: Place, _ sourceLayout: Layout, to target: Place,
    _ targetLayout: Layout
  ) {
    let type = graph[value].type
    let redistribution = Redistribution(from: sourceLayout, to: targetLayout)
    let movement = RunSchedule.Movement(redistribution: redistribution, name: "", step: 0)
    let local = LocalTransfer(movement, slice: 0, rank: rank)
    if movement.needsZeros {
      builder.append(.clear(target, bytes: targetLayout.box(of: rank).count * type.bytes))
    }
    let outgoing =
      movement.isSentInPlace
      ? nil : builder.allocate(bytes: redistribution.sent(by: rank) * type.bytes)
    let incoming =
      movement.isReceivedInPlace
      ? nil : builder.allocate(bytes: redistribution.received(by: rank) * type.bytes)
    let transfer = builder.addTransfer(
      Program.Transfer(
        local: local, type: type, source: source, target: target, outgoing: outgoing,
        incoming: incoming))
    builder.append(.start(transfer: transfer))
    builder.append(.finish(transfer: transfer))
    plainTraffic.messages += local.receives.count
    plainTraffic.bytes += local.receivedCount * type.bytes
    if let outgoing { builder.release(outgoing) }
    if let incoming { builder.release(incoming) }
  }

  // MARK: The end

  /// Results go out; then sources become what they are to become, unless that is there already.
  private mutating func addEffects() {
    for (number, result) in graph.results.enumerated() {
      let external = Place(memory: .external(graph.sources.count + number))
      builder.append(.copy(place(result.value), to: external, bytes: piece(result.value).bytes))
    }
    let effects = graph.effects.filter { place($0.source) != place($0.becomes) }
    // All at once: what a source was is kept where that changes before it is read.
    let news = effects.enumerated().map { number, effect in
      let new = place(effect.becomes)
      guard effects[..<number].contains(where: { place($0.source) == new }) else { return new }
      let bytes = piece(effect.becomes).bytes
      let aside = builder.allocateFixed(bytes: bytes)
      builder.append(.copy(new, to: aside, bytes: bytes))
      return aside
    }
    for (effect, new) in zip(effects, news) {
      let source = place(effect.source)
      let (from, to) = (
        distribution.rest[effect.becomes.index], distribution.rest[effect.source.index]
      )
      if from == to || distribution.mesh.ranks == 1 {
        builder.append(.copy(new, to: source, bytes: piece(effect.source).bytes))
      } else {
        move(effect.becomes, from: new, from, to: source, to)
      }
    }
  }

  /// Whether a later stage, or a deferred node after this one, reads a value, or it goes out.
  func isRead(_ value: ValueID, after node: Int) -> Bool {
    let reads = { [graph] (number: Int) in graph.nodes[number].inputs.contains(value) }
    return graph.results.contains { $0.value == value }
      || graph.effects.contains { $0.becomes == value }
      || stages.stages.dropFirst(stage + 1).contains { $0.nodes.contains(where: reads) }
      || stages.deferred.contains { (stage < stages.stages.count || $0 > node) && reads($0) }
  }

  /// The adjoint that reads the record which a contraction leaves.
  func adjoint(of contraction: Int) -> Int? {
    guard let adjoint = adjointOfContraction[contraction], stages.isNeeded(node: adjoint),
      stages.isTiled[adjoint] == stages.isTiled[contraction]
    else { return nil }
    return adjoint
  }
}

extension Graph {
  /// By contraction's adjoint, the contraction whose operands it has.
  fileprivate var contractionsOfAdjoints: [Int: Int] {
    struct Key: Hashable {
      let expression: String
      let rules: ConvRules
      let operands: [ValueID]
    }
    var contractions: [Key: Int] = [:]
    var result: [Int: Int] = [:]
    for (number, node) in nodes.enumerated() {
      if let contraction = node.operation.base as? Operators.Contraction {
        let key = Key(
          expression: contraction.expression, rules: contraction.rules, operands: node.inputs)
        if contractions[key] == nil { contractions[key] = number }
      }
      if let adjoint = node.operation.base as? Operators.ContractionAdjoint {
        let key = Key(
          expression: adjoint.expression, rules: adjoint.rules, operands: node.inputs.dropLast())
        if let contraction = contractions[key], !result.values.contains(contraction) {
          result[number] = contraction
        }
      }
    }
    return result
  }
}
