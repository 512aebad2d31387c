import Graph
import Kernels

/// Passes of contractions, within a program.
extension ProgramBuilder {
  /// Where a pass leaves what it makes.
  struct PassPlaces {
    let results: [Place?]
    /// What it keeps for the reverse pass, in the order in which that is given it; what is its own of that
    /// lives until it is released.
    let kept: [Place?]
  }

  /// Adds the operations of a pass, under one name.
  ///
  /// - Parameters:
  ///   - given: where the pass finds what its caller gives it.
  ///   - results: where its results are to be, by result; `nil` where there is none.
  /// - Returns: what the pass keeps.
  mutating func add(
    _ program: RankProgram, type: ElementType, given: [Place?], results: [Place?]
  ) -> [Place?] {
    let made = add(
      program, type: type, given: given, results: results, isNamedByStep: false)
    // A result that is the caller's own buffer, as of an expression without steps.
    for case (let buffer?, let result?) in zip(program.schedule.results, results)
    where buffer < program.schedule.givenCount {
      guard let place = given[buffer] else { continue }
      append(.copy(place, to: result, bytes: program.count(buffer) * type.bytes))
    }
    return made.kept
  }

  /// Adds the operations of a pass whose results may be anywhere, each under the name of its step.
  mutating func add(
    _ program: RankProgram, type: ElementType, given: [Place?]
  ) -> PassPlaces {
    add(program, type: type, given: given, results: [], isNamedByStep: true)
  }

  private mutating func add(
    _ program: RankProgram, type: ElementType, given: [Place?], results: [Place?],
    isNamedByStep: Bool
  ) -> PassPlaces {
    let schedule = program.schedule
    var places: [Place?] = program.shapes.map { _ in nil }
    for (buffer, place) in given.enumerated() { places[buffer] = place }
    var destinations: [Int: Place] = [:]
    for case (let buffer?, let place?) in zip(schedule.results, results) {
      destinations[buffer] = place
    }
    // What a reverse pass computes once more it lets go of itself.
    let kept = schedule.plan.kept().map { item in
      schedule.pass == .recorded ? schedule.kept[item.step][item.position] : nil
    }
    let lasting = Set(kept.compactMap { $0 })
    let firstTransfer = addTransfers(of: program)
    func place(_ buffer: Int) -> Place {
      guard let place = places[buffer] else {
        preconditionFailure("a pass uses buffer \(buffer) before it has it: a wrong result")
      }
      return place
    }
    func text(_ transfer: Int) -> String? {
      isNamedByStep ? program.transferNames[transfer] : nil
    }
    for operation in program.operations {
      switch operation {
      case .allocate(let buffer):
        let bytes = program.count(buffer) * type.bytes
        places[buffer] =
          destinations[buffer]
          ?? (lasting.contains(buffer) ? allocateFixed(bytes: bytes) : allocate(bytes: bytes))
      case .release(let buffer):
        if destinations[buffer] == nil { release(place(buffer)) }
      case .clear(let buffer):
        append(.clear(place(buffer), bytes: program.count(buffer) * type.bytes))
      case .start(let transfer):
        locate(
          transfer: firstTransfer + transfer, schedule.transfers[transfer], program, type,
          places: place)
        if isNamedByStep { name = program.step(ofTransfer: transfer) }
        append(.start(transfer: firstTransfer + transfer), text: text(transfer))
      case .finish(let transfer):
        if isNamedByStep { name = program.step(ofTransfer: transfer) }
        append(.finish(transfer: firstTransfer + transfer), text: text(transfer))
      case .run(let work):
        guard let nest = program.kernels[work.kernel] else {
          preconditionFailure("a program without the kernel that it runs")
        }
        if isNamedByStep { name = work.kernel.step }
        append(
          .kernel(
            Program.Kernel(
              nest: nest, role: work.kernel.role, type: type,
              sources: work.sources.map { $0.map(place) },
              destination: place(work.destination), workspace: place(work.workspace),
              isAdding: work.adding)))
      case .add(let buffer, let sum):
        append(.add(place(buffer), to: place(sum), count: program.count(sum), type))
      case .keepFirstCopy(let source, let target, let axes):
        let mesh = schedule.plan.mesh
        let bytes = program.count(target) * type.bytes
        let isFirst = axes.allSatisfy { mesh.coordinate(axis: $0, rank: program.rank) == 0 }
        append(
          isFirst
            ? .copy(place(source), to: place(target), bytes: bytes)
            : .clear(place(target), bytes: bytes))
      }
    }
    return PassPlaces(
      results: schedule.results.map { $0.flatMap { places[$0] } },
      kept: kept.map { $0.flatMap { places[$0] } })
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
