import Foundation
import Synchronization

/// The group of one process that runs alone.
///
/// ```swift
/// let communicator = SingleCommunicator()
/// communicator.size  // 1
/// ```
public final class SingleCommunicator: Communicator {
  public let rank = 0
  public let size = 1
  public let kind = "single"
  private let counted = Mutex(Traffic())

  public init() {}

  public var traffic: Traffic { counted.withLock { $0 } }

  public func agree(on call: CollectiveCall) throws {
    counted.withLock { $0.calls += 1 }
  }

  public func exchange(sending: [OutgoingMessage], receiving: [IncomingMessage]) throws {
    try checkPeers(sending, receiving)
    if let error = copyOwnMessages(sending, receiving) { throw error }
  }

  public func abort(code: Int32) -> Never {
    exit(code)
  }
}
