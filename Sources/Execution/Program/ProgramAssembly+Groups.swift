import Graph
import Kernels
import Partitioning
import Planning

/// Groups of nodes that treat samples one by one: a rank's samples go through them in tiles.
extension ProgramAssembly {
  /// One sweep in a tile: a node, or several as one.
  private struct Sweep {
    /// The last, which says where it stands.
    let nodes: [Int]
    let inputs: [ValueID]
    let outputs: [ValueID]
    /// `nil` of a contraction.
    let work: (any OperatorWork)?
  }

  /// The samples of each tile of this rank: as many as have `tileElements` in the contraction that has
  /// most, all tiles alike if their number has a divisor near that.
  var tiles: [Range<Int>] {
    guard let cut = stages.batch else { return [] }
    let layout = Layout(mesh: distribution.mesh, cuts: [cut])
    let samples = layout.box(of: rank).ranges[0]
    // What any rank has most of decides: ranks with a sample less mostly have tiles of the same kind.
    let most = (cut.extent + layout.parts(0) - 1) / layout.parts(0)
    let limit = max(1, min(most, options.tileElements / max(1, elementsPerSample)))
    let even = (limit / 2 + 1...limit).last { samples.count.isMultiple(of: $0) }
    let size = even ?? limit
    return stride(from: samples.lowerBound, to: samples.upperBound, by: size).map {
      $0..<min($0 + size, samples.upperBound)
    }
  }

  private var elementsPerSample: Int {
    guard let samples = stages.batch?.extent, samples > 0 else { return 1 }
    var most = 1
    for node in graph.nodes where node.operation.base is Operators.Contraction {
      let batched = (node.inputs + node.outputs).filter { graph[$0].hasBatch }
      most = max(most, batched.reduce(0) { $0 + graph[$1].count / samples })
    }
    return most
  }

  mutating func addGroup(_ nodes: [Int], copies: Set<Int>) throws {
    let tiles = tiles
    var terms: [ValueID: [Place]] = [:]
    for number in nodes where !copies.contains(number) {
      for (output, value) in graph.nodes[number].outputs.enumerated() {
        if !graph[value].hasBatch {
          let bytes = madePiece(number, output: output).bytes
          let rest = newPlace(value)
          let first =
            travels(number, output: output) ? builder.allocateFixed(bytes: bytes) : rest
          terms[value] =
            [first] + tiles.dropFirst().map { _ in builder.allocateFixed(bytes: bytes) }
        } else if stages.isStored[value.index] {
          _ = newPlace(value)
        }
      }
    }
    for (number, samples) in tiles.enumerated() {
      builder.beginTile()
      try addTile(number, samples, nodes, terms: terms.mapValues { $0[number] })
      builder.endTile()
    }
    builder.finishTiles()
    for number in nodes where !copies.contains(number) {
      builder.name = number
      for (output, value) in graph.nodes[number].outputs.enumerated()
      where !graph[value].hasBatch {
        guard let terms = terms[value] else { continue }
        addUp(madePiece(number, output: output), terms, tiles: tiles.count)
        settle(number, output: output, from: travels(number, output: output) ? terms[0] : nil)
      }
    }
  }

  /// Adds the tiles' terms in their order.
  private mutating func addUp(_ piece: NodePart.Piece, _ terms: [Place], tiles: Int) {
    guard tiles > 0 else { return builder.append(.clear(terms[0], bytes: piece.bytes)) }
    for term in terms.dropFirst() {
      builder.append(.add(term, to: terms[0], count: piece.count, piece.value.type))
      builder.release(term)
    }
  }

  private mutating func addTile(
    _ tile: Int, _ samples: Range<Int>, _ nodes: [Int], terms: [ValueID: Place]
  ) throws {
    let sweeps = try sweeps(of: nodes, samples)
    var bytes: [ValueID: Int] = [:]
    for number in nodes {
      let pieces = part(of: number, samples).outputs
      for (value, piece) in zip(graph.nodes[number].outputs, pieces) { bytes[value] = piece.bytes }
    }
    var lastSweep: [ValueID: Int] = [:]
    for (number, sweep) in sweeps.enumerated() {
      for value in sweep.inputs + sweep.outputs { lastSweep[value] = number }
    }
    var local: [ValueID: Place] = [:]
    let first = samples.lowerBound
    for (number, sweep) in sweeps.enumerated() {
      builder.name = sweep.nodes.last ?? 0
      let inputs = sweep.inputs.map { local[$0] ?? placeInTile($0, first) }
      var outputs: [Place] = []
      for value in sweep.outputs {
        if let term = terms[value] {
          outputs.append(term)
        } else if stages.isStored[value.index], graph[value].hasBatch {
          outputs.append(placeInTile(value, first))
        } else {
          let place =
            reusable(sweep, value, local, lastSweep, number)
            ?? builder.allocate(bytes: bytes[value] ?? 0)
          local[value] = place
          outputs.append(place)
        }
      }
      if let work = sweep.work {
        add(work, inputs: inputs, outputs: outputs)
      } else {
        try addContraction(
          sweep.nodes[0], part(of: sweep.nodes[0], samples), tile: tile, inputs: inputs,
          outputs: outputs)
      }
      release(&local, after: number, lastSweep)
    }
  }

  private mutating func release(
    _ local: inout [ValueID: Place], after sweep: Int, _ lastSweep: [ValueID: Int]
  ) {
    let over = local.filter { lastSweep[$0.key, default: 0] <= sweep }
    for value in over.keys { local[value] = nil }
    // A buffer that another value has taken over lives on.
    for place in Set(over.values).subtracting(local.values).sorted(by: { $0.offset < $1.offset }) {
      builder.release(place)
    }
  }

  /// The memory of an input that is read here for the last time, where the sweep allows it.
  private func reusable(
    _ sweep: Sweep, _ value: ValueID, _ local: [ValueID: Place], _ lastSweep: [ValueID: Int],
    _ number: Int
  ) -> Place? {
    guard let work = sweep.work, let output = sweep.outputs.firstIndex(of: value),
      output < work.inPlace.count, let input = work.inPlace[output]
    else { return nil }
    let source = sweep.inputs[input]
    guard let place = local[source], lastSweep[source] == number,
      sweep.inputs.filter({ $0 == source }).count == 1
    else { return nil }
    return place
  }

  // MARK: Sweeps

  /// Runs of operators between contractions are made into sweeps together.
  private func sweeps(of nodes: [Int], _ samples: Range<Int>) throws -> [Sweep] {
    var sweeps: [Sweep] = []
    var run: [Int] = []
    for number in nodes {
      if graph.nodes[number].isContraction {
        sweeps += try self.sweeps(ofRun: run, in: nodes, samples)
        run = []
        let node = graph.nodes[number]
        sweeps.append(
          Sweep(nodes: [number], inputs: node.inputs, outputs: node.outputs, work: nil))
      } else {
        run.append(number)
      }
    }
    return sweeps + (try self.sweeps(ofRun: run, in: nodes, samples))
  }

  private func sweeps(
    ofRun run: [Int], in group: [Int], _ samples: Range<Int>
  ) throws -> [Sweep] {
    let chain = run.map { number in
      let node = graph.nodes[number]
      return ChainNode(
        inputs: node.inputs, outputs: node.outputs, part: part(of: number, samples))
    }
    let members = Set(run)
    let readElsewhere = Set(
      group.filter { !members.contains($0) }.flatMap { graph.nodes[$0].inputs })
    let stored = chain.flatMap(\.outputs).filter {
      stages.isStored[$0.index] || readElsewhere.contains($0)
    }
    let fused = try fusions(of: chain, stored: Set(stored), passes.context)
    let inSweeps = Set(fused.flatMap(\.nodes))
    let alone = try run.indices.filter { !inSweeps.contains($0) }.map { index in
      Sweep(
        nodes: [run[index]], inputs: chain[index].inputs, outputs: chain[index].outputs,
        work: try work(of: chain[index].part, run[index]))
    }
    let together = fused.map { sweep in
      Sweep(
        nodes: sweep.nodes.map { run[$0] }, inputs: sweep.inputs, outputs: sweep.outputs,
        work: sweep.work)
    }
    return (alone + together).sorted { ($0.nodes.last ?? 0) < ($1.nodes.last ?? 0) }
  }

  // MARK: Parts

  private func tilePiece(_ value: ValueID, _ samples: Range<Int>) -> NodePart.Piece {
    let box = box(value)
    guard graph[value].hasBatch else { return NodePart.Piece(value: graph[value], box: box) }
    return NodePart.Piece(
      value: graph[value], box: Box([samples] + box.ranges.dropFirst()))
  }

  private func part(of number: Int, _ samples: Range<Int>) -> NodePart {
    let node = graph.nodes[number]
    return NodePart(
      operation: node.operation, inputs: node.inputs.map { tilePiece($0, samples) },
      outputs: node.outputs.enumerated().map { output, value in
        graph[value].hasBatch
          ? tilePiece(value, samples) : madePiece(number, output: output)
      })
  }

  /// What a rank makes of an output, which is a term of it where that has no samples.
  private func madePiece(_ number: Int, output: Int) -> NodePart.Piece {
    NodePart.Piece(
      value: graph[graph.nodes[number].outputs[output]],
      box: distribution.nodes[number].made[output].box(of: rank))
  }

  /// Where a tile's samples of a value are, which is in memory as a whole.
  private func placeInTile(_ value: ValueID, _ first: Int) -> Place {
    guard graph[value].hasBatch else { return place(value) }
    let box = box(value)
    let each = box.ranges.dropFirst().reduce(graph[value].type.bytes) { $0 * $1.count }
    return place(value).advanced(bytes: (first - box.ranges[0].lowerBound) * each)
  }
}
