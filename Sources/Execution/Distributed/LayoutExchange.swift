import Collectives
import Kernels
import Partitioning

/// One redistribution of one tensor, outside a plan: every rank gives its box in one layout and gets
/// its box in another, contributions added in the order of ranks. Made once, used many times.
///
/// ```swift
/// let rows = Layout(shape: [8, 5], mesh: Mesh(axes: [4]), axes: [[0], []])
/// let columns = Layout(shape: [8, 5], mesh: Mesh(axes: [4]), axes: [[], [0]])
/// let transpose = LayoutExchange(from: rows, to: columns, rank: communicator.rank)
/// let mine = try transpose(myRows, communicator, what: "transpose the table")
/// ```
public struct LayoutExchange: Sendable {
  public let redistribution: Redistribution
  public let rank: Int
  private let movement: RunSchedule.Movement
  private let local: LocalTransfer

  /// - Precondition: as `Redistribution`'s.
  public init(from source: Layout, to target: Layout, rank: Int) {
    redistribution = Redistribution(from: source, to: target)
    self.rank = rank
    movement = RunSchedule.Movement(redistribution: redistribution, name: "", step: 0)
    local = LocalTransfer(movement, slice: 0, rank: rank)
  }

  /// All ranks of the layouts' mesh together.
  ///
  /// - Parameter what: what a message says of a rank that does not come: a verb and its object.
  /// - Throws: `CollectiveError`.
  /// - Precondition: `box` has the shape of this rank's box in the source layout.
  public func callAsFunction<Element: TensorElement>(
    _ box: Tensor<Element>, _ communicator: any Communicator, what: String
  ) throws -> Tensor<Element> {
    let expected = redistribution.source.box(of: rank).shape
    precondition(box.shape == expected, "a box of \(box.shape) where \(expected) was expected")
    if redistribution.isIdentity { return box }
    let outer = communicator.step
    let step = CollectiveStep(number: 0, description: what)
    communicator.enter(outer?.inner(step) ?? step)
    defer { communicator.enter(outer) }
    let shape = redistribution.target.box(of: rank).shape
    var result = movement.needsZeros ? Tensor<Element>(shape: shape) : Tensor(uninitialized: shape)
    var outgoing = Tensor<Element>(
      uninitialized: [movement.isSentInPlace ? 0 : redistribution.sent(by: rank)])
    var incoming = Tensor<Element>(
      uninitialized: [movement.isReceivedInPlace ? 0 : redistribution.received(by: rank)])
    try box.withPointer { source in
      try result.withMutablePointer { target in
        try outgoing.withMutablePointer { outgoing in
          try incoming.withMutablePointer { incoming in
            let exchange = try local.start(
              from: source, to: target, outgoing: movement.isSentInPlace ? nil : outgoing,
              incoming: movement.isReceivedInPlace ? nil : incoming, communicator: communicator)
            try exchange?.wait()
            local.finish(
              from: source, incoming: movement.isReceivedInPlace ? nil : UnsafePointer(incoming),
              to: target)
          }
        }
      }
    }
    return result
  }
}
