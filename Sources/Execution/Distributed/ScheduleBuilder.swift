import Partitioning
import Planning

/// A schedule in the making.
struct ScheduleBuilder {
  private(set) var buffers: [RunSchedule.Content]
  let givenCount: Int
  private(set) var movements: [RunSchedule.Movement] = []
  private(set) var transfers: [RunSchedule.Transfer] = []
  private(set) var operations: [RunSchedule.Operation] = []
  var results: [Int?] = []
  var kept: [[Int?]] = []
  /// Buffers that outlive the run.
  private var lasting: Set<Int> = []

  /// - Parameter given: buffers of the caller's.
  init(given: [Layout]) {
    buffers = given.map { .box($0, slice: 0) }
    givenCount = given.count
  }

  mutating func allocate(_ content: RunSchedule.Content) -> Int {
    buffers.append(content)
    operations.append(.allocate(buffers.count - 1))
    return buffers.count - 1
  }

  /// Keeps a buffer from being released.
  mutating func keep(_ buffer: Int) { lasting.insert(buffer) }

  /// Everything that was kept may be released from now on.
  mutating func letGo() { lasting = [] }

  /// Releases a buffer, unless it is the caller's or is kept.
  mutating func release(_ buffer: Int) {
    guard buffer >= givenCount && !lasting.contains(buffer) else { return }
    operations.append(.release(buffer))
  }

  mutating func addMovement(
    from source: Layout, to target: Layout, step: Int, name: (Redistribution) -> String
  ) -> Int {
    let redistribution = Redistribution(from: source, to: target)
    movements.append(
      RunSchedule.Movement(
        redistribution: redistribution, name: name(redistribution), step: step))
    return movements.count - 1
  }

  /// A buffer for what a movement brings.
  mutating func allocateTarget(of movement: Int, slice: Int = 0) -> Int {
    let target = allocate(.box(movements[movement].redistribution.target, slice: slice))
    if movements[movement].needsZeros { operations.append(.clear(target)) }
    return target
  }

  /// Starts a movement; the buffers stay until it is finished.
  mutating func start(_ movement: Int, slice: Int = 0, from source: Int, into target: Int) -> Int {
    let outgoing =
      movements[movement].isSentInPlace
      ? nil : allocate(.outgoing(movement: movement, slice: slice))
    let incoming =
      movements[movement].isReceivedInPlace
      ? nil : allocate(.incoming(movement: movement, slice: slice))
    transfers.append(
      RunSchedule.Transfer(
        movement: movement, slice: slice, source: source, target: target, outgoing: outgoing,
        incoming: incoming))
    operations.append(.start(transfers.count - 1))
    return transfers.count - 1
  }

  mutating func finish(_ transfer: Int, releasingSource: Bool) {
    operations.append(.finish(transfer))
    let transfer = transfers[transfer]
    if let outgoing = transfer.outgoing { release(outgoing) }
    if let incoming = transfer.incoming { release(incoming) }
    if releasingSource { release(transfer.source) }
  }

  /// Runs a kernel, with its workspace allocated for just as long.
  mutating func run(
    _ kernel: RunSchedule.Kernel, sources: [Int?], into destination: Int, adding: Bool = false
  ) {
    let workspace = allocate(.workspace(kernel))
    operations.append(
      .run(
        RunSchedule.Work(
          kernel: kernel, sources: sources, destination: destination, workspace: workspace,
          adding: adding)))
    release(workspace)
  }

  /// Adds a buffer to another of its size, and releases it.
  mutating func add(_ buffer: Int, to sum: Int) {
    operations.append(.add(buffer, to: sum))
    release(buffer)
  }

  mutating func keepFirstCopy(of source: Int, in target: Int, axes: [Int]) {
    operations.append(.keepFirstCopy(of: source, in: target, axes: axes))
  }
}

extension Redistribution {
  /// What it does, as a verb.
  var verb: String {
    if !isCopy { return "reduce" }
    if target.hasWindows { return "bring the halo of" }
    let isGather = zip(source.cuts, target.cuts).allSatisfy { from, to in
      to.axes.count <= from.axes.count
    }
    return isGather ? "gather" : "redistribute"
  }
}
