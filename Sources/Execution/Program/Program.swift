import Collectives
import Graph
import Kernels
import Partitioning
import Planning

/// All that one rank does in a step over a graph, or in a pass of one expression, in order: operations on
/// buffers whose sizes, and places in memory, are known beforehand. What it needs of memory, and what it
/// receives, is read off it; the runtime carries it out as it stands.
///
/// Equal graphs, distributions and settings make programs that fit together on all ranks.
///
/// ```swift
/// let program = try Program(graph, distribution, rank: 0, options: ProgramOptions(threads: 2))
/// program.peakBytes         // what a `ProgramRunner` allocates, and the sources' and results' bytes
/// program.receivedBytes
/// ```
public struct Program: Sendable {
  /// A value that lives outside of the program: a source, or a result.
  public struct External: Hashable, Sendable {
    public let name: String
    /// This rank's part.
    public let box: Box
    public let type: ElementType
    /// `nil` of a result.
    public let source: Graph.Source.Kind?

    public var bytes: Int { box.count * type.bytes }
  }

  /// Where a buffer's memory is.
  enum Memory: Hashable, Sendable {
    /// In an external value's.
    case external(Int)
    /// At an offset of the program's own.
    case fixed(Int)
    /// At an offset of the memory of whoever runs a tile.
    case lane(Int)
    /// In a buffer that is allocated and released along the way.
    case buffer(Int)
  }

  /// A place in memory.
  struct Place: Hashable, Sendable {
    var memory: Memory
    /// Bytes from there.
    var offset = 0
  }

  /// A step of a contraction's plan, or an adjoint of one.
  struct Kernel: Sendable {
    let nest: LoweredNest
    let role: ContractionNest.Role
    let type: ElementType
    /// In the order of `Role.sources`; `nil` is the scalar 1.
    let sources: [Place?]
    let destination: Place
    let workspace: Place
    let isAdding: Bool
  }

  /// An operator's work.
  struct Work: Sendable {
    let work: any OperatorWork
    let inputs: [Place]
    let outputs: [Place]
    let workspace: Place
  }

  struct Transfer: Sendable {
    let local: LocalTransfer
    let type: ElementType
    let source: Place
    let target: Place
    let outgoing: Place?
    let incoming: Place?
  }

  enum Action: Sendable {
    case allocate(buffer: Int, bytes: Int)
    case release(buffer: Int)
    case clear(Place, bytes: Int)
    case copy(Place, to: Place, bytes: Int)
    /// Adds elements to others.
    case add(Place, to: Place, count: Int, ElementType)
    indirect case kernel(Kernel)
    indirect case work(Work)
    case start(transfer: Int)
    case finish(transfer: Int)
    /// Replaces elements by their sums over all ranks.
    case allReduce(Place, count: Int, ElementType)
    /// Operations by tile, which several threads may carry out at the same time, each with a lane.
    case tiles([[Operation]])
  }

  struct Operation: Sendable {
    let action: Action
    /// In `names`: whose it is.
    let name: Int
    /// What it does, if its name does not say all of it.
    let text: String?
  }

  public let rank: Int
  public let ranks: Int
  /// What a caller binds: sources first, in the graph's order, then results.
  public let externals: [External]
  let operations: [Operation]
  let transfers: [Transfer]
  /// Of the graph's nodes, whose operations these are, and last of what comes after them; or of a plan's steps,
  /// of its expression if there are none: what a `ProgramTimeline` calls by number.
  public let names: [String]
  /// Bytes of the program's own memory, lanes not included.
  public let fixedBytes: Int
  /// Bytes of the memory of one thread that runs a tile; and how many there are.
  public let laneBytes: Int
  public let lanes: Int
  /// How many buffers are allocated along the way, and the most of their bytes that live at once.
  let bufferCount: Int
  let bufferBytes: Int
  /// What would do if memory could be moved while it is in use: the most bytes that live at once in
  /// `fixedBytes`.
  public let liveBytes: Int
  /// Bytes that the rank receives from others.
  public let receivedBytes: Int
  /// By name, rough seconds of computation on one thread, and of the messages within contractions that are
  /// planned for the ranks together.
  public let nodeSeconds: [Double]
  /// Messages, and bytes received, besides those.
  let plainTraffic: (messages: Int, bytes: Int)
  /// Of what all ranks' programs have in common.
  public let hash: UInt64

  /// What an operation does, in words.
  func text(of operation: Operation) -> String { operation.text ?? names[operation.name] }

  /// Bytes that a run needs at once: its own memory, and the external values.
  public var peakBytes: Int {
    fixedBytes + lanes * laneBytes + bufferBytes + externals.reduce(0) { $0 + $1.bytes }
  }

  /// Rough seconds of a run on one thread: computation, and messages one after the other.
  public func seconds(on machine: MachineModel) -> Double {
    nodeSeconds.reduce(0, +) + communicationSeconds(on: machine)
  }

  /// Rough seconds of the messages besides those within contractions, one after the other.
  public func communicationSeconds(on machine: MachineModel) -> Double {
    machine.communicationSeconds(
      messages: Double(plainTraffic.messages), bytes: Double(plainTraffic.bytes),
      crossesNodes: ranks > machine.ranksPerNode)
  }

  /// The bytes that another rank receives whose parts have the same shapes as this one's, so that its program
  /// is the same but for which elements these are; `nil` where boxes travel, which depend on them.
  public func receivedBytes(asRank rank: Int) -> Int? {
    guard transfers.isEmpty else { return nil }
    return operations.reduce(0) { total, operation in
      guard case .allReduce(_, let count, let type) = operation.action else { return total }
      return total
        + Traffic.received(
          by: rank, size: ranks, in: .allReduce(count: count, elementBytes: type.bytes))
    }
  }
}
