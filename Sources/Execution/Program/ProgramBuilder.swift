import Graph
import Partitioning

/// A program in the making: operations, and buffers with their lives.
///
/// Until the end a place names its buffer by number; `finish` puts buffers at offsets.
struct ProgramBuilder {
  typealias Place = Program.Place

  /// Where buffers are.
  enum Memory {
    /// At offsets: what runs again and again allocates nothing.
    case offsets
    /// Each by itself, from its allocation to its release: no gaps, and what lasts is the caller's, as long as
    /// it wants it.
    case buffers
  }

  private let memory: Memory
  /// Bytes of buffers by themselves; those that live, and the most that lived at once.
  private var bufferBytes: [Int] = []
  private var liveBufferBytes = 0
  private var peakBufferBytes = 0
  private(set) var operations: [Program.Operation] = []
  private(set) var transfers: [Program.Transfer] = []
  private var lives: [BufferPlacement.Life] = []
  /// Of lanes, all tiles' one after the other: each tile's are placed by themselves.
  private var laneLives: [BufferPlacement.Life] = []
  /// Where each tile's begin.
  private var laneStarts: [Int] = []
  /// The tiles that are done, of those under way.
  private var tiles: [[Program.Operation]] = []
  /// The operations of the tile under way.
  private var tile: [Program.Operation]?
  /// Whose operations come next, in the program's names.
  var name = 0

  init(_ memory: Memory = .offsets) { self.memory = memory }

  // MARK: Operations

  mutating func append(_ action: Program.Action, text: String? = nil) {
    let operation = Program.Operation(action: action, name: name, text: text)
    if tile != nil { tile?.append(operation) } else { operations.append(operation) }
  }

  mutating func addTransfer(_ transfer: Program.Transfer) -> Int {
    transfers.append(transfer)
    return transfers.count - 1
  }

  mutating func replaceTransfer(_ number: Int, by transfer: Program.Transfer) {
    transfers[number] = transfer
  }

  mutating func beginTile() {
    tile = []
    laneStarts.append(laneLives.count)
  }

  mutating func endTile() {
    tiles.append(tile ?? [])
    tile = nil
  }

  /// One operation of all tiles since the last call.
  mutating func finishTiles() {
    guard !tiles.isEmpty else { return }
    let all = tiles
    tiles = []
    append(.tiles(all))
  }

  // MARK: Buffers

  /// A buffer that lives from now on; in a tile, of the lane.
  mutating func allocate(bytes: Int) -> Place {
    if memory == .buffers {
      append(.allocate(buffer: bufferBytes.count, bytes: bytes))
      bufferBytes.append(bytes)
      liveBufferBytes += bytes
      peakBufferBytes = max(peakBufferBytes, liveBufferBytes)
      return Place(memory: .buffer(bufferBytes.count - 1))
    }
    guard let tile else { return allocateFixed(bytes: bytes) }
    laneLives.append(.init(bytes: bytes, first: tile.count, last: .max))
    return Place(memory: .lane(laneLives.count - 1))
  }

  /// A buffer that outlives a tile.
  mutating func allocateFixed(bytes: Int) -> Place {
    if memory == .buffers { return allocate(bytes: bytes) }
    lives.append(.init(bytes: bytes, first: operations.count, last: .max))
    return Place(memory: .fixed(lives.count - 1))
  }

  /// The buffer was used last by the operation before; or, of one that outlives tiles, in these.
  mutating func release(_ place: Place) {
    switch place.memory {
    case .external: break
    case .buffer(let buffer):
      append(.release(buffer: buffer))
      liveBufferBytes -= bufferBytes[buffer]
    case .fixed(let buffer):
      let isInTiles = tile != nil || !tiles.isEmpty
      lives[buffer].last = max(lives[buffer].first, operations.count - (isInTiles ? 0 : 1))
    case .lane(let buffer):
      laneLives[buffer].last = max(laneLives[buffer].first, (tile?.count ?? 1) - 1)
    }
  }

  // MARK: The end

  struct Layout {
    let operations: [Program.Operation]
    let transfers: [Program.Transfer]
    let fixedBytes: Int
    let laneBytes: Int
    let liveBytes: Int
    let bufferCount: Int
    let bufferBytes: Int
  }

  /// Puts all buffers at offsets.
  func finish() -> Layout {
    let end = operations.count
    let placement = BufferPlacement(
      lives.map { .init(bytes: $0.bytes, first: $0.first, last: min($0.last, end)) })
    var laneOffsets: [Int] = []
    var laneBytes = 0
    for (number, start) in laneStarts.enumerated() {
      let end = number + 1 < laneStarts.count ? laneStarts[number + 1] : laneLives.count
      let tile = BufferPlacement(
        laneLives[start..<end].map {
          .init(bytes: $0.bytes, first: $0.first, last: min($0.last, .max - 1))
        })
      laneOffsets += tile.offsets
      laneBytes = max(laneBytes, tile.bytes)
    }
    let resolve = { (place: Place) -> Place in
      switch place.memory {
      case .external, .buffer: place
      case .fixed(let buffer):
        Place(memory: .fixed(placement.offsets[buffer] + place.offset))
      case .lane(let buffer): Place(memory: .lane(laneOffsets[buffer] + place.offset))
      }
    }
    return Layout(
      operations: operations.map { $0.placed(resolve) },
      transfers: transfers.map { $0.placed(resolve) }, fixedBytes: placement.bytes,
      laneBytes: laneBytes, liveBytes: placement.liveBytes,
      bufferCount: bufferBytes.count, bufferBytes: peakBufferBytes)
  }
}

extension Program.Place {
  /// A place some bytes further.
  func advanced(bytes: Int) -> Program.Place {
    Program.Place(memory: memory, offset: offset + bytes)
  }
}

extension Program.Operation {
  fileprivate func placed(_ place: (Program.Place) -> Program.Place) -> Program.Operation {
    let placed: Program.Action =
      switch action {
      case .clear(let target, let bytes): .clear(place(target), bytes: bytes)
      case .copy(let source, let target, let bytes):
        .copy(place(source), to: place(target), bytes: bytes)
      case .add(let source, let target, let count, let type):
        .add(place(source), to: place(target), count: count, type)
      case .kernel(let kernel):
        .kernel(
          Program.Kernel(
            nest: kernel.nest, role: kernel.role, type: kernel.type,
            sources: kernel.sources.map { $0.map(place) },
            destination: place(kernel.destination), workspace: place(kernel.workspace),
            isAdding: kernel.isAdding))
      case .work(let work):
        .work(
          Program.Work(
            work: work.work, inputs: work.inputs.map(place), outputs: work.outputs.map(place),
            workspace: place(work.workspace)))
      case .allReduce(let target, let count, let type):
        .allReduce(place(target), count: count, type)
      case .tiles(let tiles): .tiles(tiles.map { $0.map { $0.placed(place) } })
      case .allocate, .release, .start, .finish: action
      }
    return Program.Operation(action: placed, name: name, text: text)
  }
}

extension Program.Transfer {
  fileprivate func placed(_ place: (Program.Place) -> Program.Place) -> Program.Transfer {
    Program.Transfer(
      local: local, type: type, source: place(source), target: place(target),
      outgoing: outgoing.map(place), incoming: incoming.map(place))
  }
}
