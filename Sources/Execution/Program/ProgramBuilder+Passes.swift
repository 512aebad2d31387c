import Graph
import Kernels

/// Passes of contractions, within a program.
extension ProgramBuilder {
  /// Adds the operations of a pass.
  ///
  /// - Parameters:
  ///   - given: where the pass finds what its caller gives it.
  ///   - results: where its results are to be, by result; `nil` where there is none.
  /// - Returns: what the pass keeps for the reverse pass, in the order in which that is given it; those
  ///   of its own live until they are released.
  mutating func add(
    _ program: RankProgram, type: ElementType, given: [Place?], results: [Place?]
  ) -> [Place?] {
    let schedule = program.schedule
    var places: [Place?] = program.shapes.map { _ in nil }
    for (buffer, place) in given.enumerated() { places[buffer] = place }
    var destinations: [Int: Place] = [:]
    for case (let buffer?, let place?) in zip(schedule.results, results) {
      destinations[buffer] = place
    }
    let kept = schedule.plan.kept().map { item in
      schedule.kept.isEmpty ? nil : schedule.kept[item.step][item.position]
    }
    let lasting = Set(kept.compactMap { $0 })
    let firstTransfer = addTransfers(of: program)
    func count(_ buffer: Int) -> Int { program.shapes[buffer].reduce(1, *) }
    func place(_ buffer: Int) -> Place {
      guard let place = places[buffer] else {
        preconditionFailure("a pass uses buffer \(buffer) before it has it: a wrong result")
      }
      return place
    }
    for operation in program.operations {
      switch operation {
      case .allocate(let buffer):
        let bytes = count(buffer) * type.bytes
        places[buffer] =
          destinations[buffer]
          ?? (lasting.contains(buffer) ? allocateFixed(bytes: bytes) : allocate(bytes: bytes))
      case .release(let buffer):
        if destinations[buffer] == nil, !lasting.contains(buffer) { release(place(buffer)) }
      case .clear(let buffer): append(.clear(place(buffer), bytes: count(buffer) * type.bytes))
      case .start(let transfer):
        locate(
          transfer: firstTransfer + transfer, schedule.transfers[transfer], program, type,
          places: place)
        append(.start(transfer: firstTransfer + transfer))
      case .finish(let transfer): append(.finish(transfer: firstTransfer + transfer))
      case .run(let work):
        guard let nest = program.kernels[work.kernel] else {
          preconditionFailure("a program without the kernel that it runs")
        }
        append(
          .kernel(
            Program.Kernel(
              nest: nest, type: type, sources: work.sources.map { $0.map(place) },
              destination: place(work.destination), workspace: place(work.workspace),
              isAdding: work.adding)))
      case .add(let buffer, let sum):
        append(.add(place(buffer), to: place(sum), count: count(sum), type))
      case .keepFirstCopy(let source, let target, let axes):
        let mesh = schedule.plan.mesh
        let bytes = count(target) * type.bytes
        let isFirst = axes.allSatisfy { mesh.coordinate(axis: $0, rank: program.rank) == 0 }
        append(
          isFirst
            ? .copy(place(source), to: place(target), bytes: bytes)
            : .clear(place(target), bytes: bytes))
      }
    }
    // A result that is the caller's own buffer, as of an expression without steps.
    for case (let buffer?, let result?) in zip(schedule.results, results)
    where buffer < schedule.givenCount {
      append(.copy(place(buffer), to: result, bytes: count(buffer) * type.bytes))
    }
    return kept.map { $0.map(place) }
  }

  private mutating func addTransfers(of program: RankProgram) -> Int {
    let first = transfers.count
    let nowhere = Place(memory: .external(0))
    for local in program.transfers {
      _ = addTransfer(
        Program.Transfer(
          local: local, type: .float32, source: nowhere, target: nowhere, outgoing: nil,
          incoming: nil))
    }
    return first
  }

  /// Where a transfer's buffers are is known once it starts.
  private mutating func locate(
    transfer: Int, _ scheduled: RunSchedule.Transfer, _ program: RankProgram, _ type: ElementType,
    places: (Int) -> Place
  ) {
    replaceTransfer(
      transfer,
      by: Program.Transfer(
        local: transfers[transfer].local, type: type, source: places(scheduled.source),
        target: places(scheduled.target), outgoing: scheduled.outgoing.map(places),
        incoming: scheduled.incoming.map(places)))
  }
}
