import Graph
import Kernels
import Partitioning
import Planning

/// Nodes by themselves, of all that a rank has.
extension ProgramAssembly {
  mutating func addNode(_ number: Int) throws {
    builder.name = number
    let node = graph.nodes[number]
    let layouts = distribution.nodes[number]
    var temporaries: [Place] = []
    var inputs: [Place] = []
    for (value, needed) in zip(node.inputs, layouts.needed) {
      guard distribution.mesh.ranks > 1, distribution.rest[value.index] != needed else {
        inputs.append(place(value))
        continue
      }
      let bytes = needed.box(of: rank).count * graph[value].type.bytes
      let moved = builder.allocate(bytes: bytes)
      move(value, from: place(value), distribution.rest[value.index], to: moved, needed)
      temporaries.append(moved)
      inputs.append(moved)
    }
    let inputPieces = zip(node.inputs, layouts.needed).map {
      NodePart.Piece(value: graph[$0], box: $1.box(of: rank))
    }
    let outputPieces = zip(node.outputs, layouts.made).map {
      NodePart.Piece(value: graph[$0], box: $1.box(of: rank))
    }
    let part = NodePart(operation: node.operation, inputs: inputPieces, outputs: outputPieces)
    if node.isContraction {
      let outputs = place(outputsOf: number, part)
      try addContraction(
        number, part, tile: -1, inputs: inputs, outputs: outputs.map { $0.made })
      finish(number, outputs)
    } else {
      let work = try work(of: part, number)
      replaceSources(number, work, temporaries)
      let outputs = place(outputsOf: number, part)
      add(work, inputs: inputs, outputs: outputs.map { $0.made })
      finish(number, outputs)
    }
    for temporary in temporaries { builder.release(temporary) }
  }

  private struct Output {
    /// Where the node writes.
    let made: Place
    /// Whether it has to travel from there.
    let isTemporary: Bool
  }

  private mutating func place(outputsOf number: Int, _ part: NodePart) -> [Output] {
    graph.nodes[number].outputs.enumerated().map { output, value in
      let isTemporary = travels(number, output: output)
      let rest = newPlace(value)
      return Output(
        made: isTemporary ? builder.allocateFixed(bytes: part.outputs[output].bytes) : rest,
        isTemporary: isTemporary)
    }
  }

  private mutating func finish(_ number: Int, _ outputs: [Output]) {
    for (output, item) in outputs.enumerated() {
      settle(number, output: output, from: item.isTemporary ? item.made : nil)
    }
  }

  /// Where an output is what a source becomes, and may be written over it, it is.
  private mutating func replaceSources(
    _ number: Int, _ work: any OperatorWork, _ temporaries: [Place]
  ) {
    guard temporaries.isEmpty else { return }
    let node = graph.nodes[number]
    for (output, input) in work.inPlace.enumerated() {
      guard let input, !travels(number, output: output), !isPartial(number, output: output),
        node.inputs.filter({ $0 == node.inputs[input] }).count == 1,
        graph.effects.contains(where: {
          $0.source == node.inputs[input] && $0.becomes == node.outputs[output]
        }), !isRead(node.inputs[input], after: number)
      else { continue }
      bind(node.outputs[output], to: place(node.inputs[input]))
    }
  }

  // MARK: Operators

  func work(of part: NodePart, _ number: Int) throws -> any OperatorWork {
    guard let operation = part.operation.base as? any RunnableOperator else {
      throw ExecutionError.notRunnable(
        node: graph.nodes[number].name, operation: part.operation.text)
    }
    return try operation.work(of: part, passes.context)
  }

  mutating func add(
    _ work: any OperatorWork, inputs: [Place], outputs: [Place]
  ) {
    let workspace = builder.allocate(bytes: work.workspaceBytes)
    builder.append(
      .work(
        Program.Work(
          work: work, inputs: inputs, outputs: outputs, workspace: workspace)))
    builder.release(workspace)
    nanoseconds[builder.name] += work.nanoseconds
  }

  // MARK: Contractions

  /// - Parameter tile: −1 of a rank's whole part.
  mutating func addContraction(
    _ number: Int, _ part: NodePart, tile: Int, inputs: [Place], outputs: [Place]
  ) throws {
    guard part.outputs.contains(where: { $0.count > 0 }) || !distribution.nodes[number].isLocal
    else { return }
    if distribution.nodes[number].isLocal, part.inputs.contains(where: { $0.count == 0 }) {
      for (output, place) in zip(part.outputs, outputs) {
        builder.append(.clear(place, bytes: output.bytes))
      }
      return
    }
    if let contraction = part.operation.base as? Operators.Contraction {
      try addForward(number, contraction, part, tile, inputs, outputs[0])
    } else if let adjoint = part.operation.base as? Operators.ContractionAdjoint {
      try addReverse(number, adjoint, part, tile, inputs, outputs)
    }
  }

  private mutating func addForward(
    _ number: Int, _ contraction: Operators.Contraction, _ part: NodePart, _ tile: Int,
    _ inputs: [Place], _ output: Place
  ) throws {
    let adjoint = adjoint(of: number)
    let needed = adjoint.flatMap {
      (graph.nodes[$0].operation.base as? Operators.ContractionAdjoint)?.needed
    }
    let layouts = distribution.nodes[number]
    let subject = ContractionPasses.Subject(
      expression: contraction.expression, rules: contraction.rules,
      shapes: part.inputs.map { layouts.isLocal ? $0.shape : $0.value.shape }, needed: needed,
      type: part.outputs[0].value.type,
      layouts: layouts.isLocal
        ? nil : ContractionPasses.Layouts(operands: layouts.needed, result: layouts.made[0]))
    let program = try passes.program(
      subject, passes.forward(subject), rank: layouts.isLocal ? 0 : rank)
    let kept = builder.add(
      program, type: subject.type, given: inputs, results: [output])
    if adjoint != nil { records[RecordKey(node: number, tile: tile)] = kept }
    nanoseconds[builder.name] += try estimatedNanoseconds(subject, isReverse: false)
  }

  private mutating func addReverse(
    _ number: Int, _ adjoint: Operators.ContractionAdjoint, _ part: NodePart, _ tile: Int,
    _ inputs: [Place], _ outputs: [Place]
  ) throws {
    let layouts = distribution.nodes[number]
    let operands = part.inputs.dropLast()
    let subject = ContractionPasses.Subject(
      expression: adjoint.expression, rules: adjoint.rules,
      shapes: operands.map { layouts.isLocal ? $0.shape : $0.value.shape },
      needed: adjoint.needed, type: part.inputs[0].value.type,
      layouts: layouts.isLocal
        ? nil
        : ContractionPasses.Layouts(
          operands: layouts.needed.dropLast(), result: layouts.needed[operands.count]))
    let key = contractionOfAdjoint[number].map { RecordKey(node: $0, tile: tile) }
    let kept = key.flatMap { records.removeValue(forKey: $0) }
    let pass = passes.reverse(subject, hasRecord: kept != nil)
    let program = try passes.program(subject, pass, rank: layouts.isLocal ? 0 : rank)
    var results = adjoint.needed.map { _ in Place?.none }
    for (operand, output) in zip(adjoint.neededOperands, outputs) { results[operand] = output }
    let isRecorded = passes.checkpointing == .keep && kept != nil
    _ = builder.add(
      program, type: subject.type,
      given: (isRecorded ? kept ?? [] : inputs.dropLast()) + [inputs[operands.count]],
      results: results)
    for case let place? in kept ?? [] where !inputs.contains(place) { builder.release(place) }
    nanoseconds[builder.name] += try estimatedNanoseconds(subject, isReverse: true)
  }

  private func estimatedNanoseconds(
    _ subject: ContractionPasses.Subject, isReverse: Bool
  ) throws -> Double {
    try passes.seconds(subject, isReverse: isReverse) * 1e9
  }
}
