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
  private let present = Mutex<CollectiveStep?>(nil)

  public init() {}

  public var traffic: Traffic { counted.withLock { $0 } }

  public func agree(on call: CollectiveCall) throws {
    counted.withLock { $0.calls += 1 }
  }

  public func startExchange(
    sending: [OutgoingMessage], receiving: [IncomingMessage]
  ) throws -> any PendingExchange {
    try checkPeers(sending, receiving)
    return Copied(error: copyOwnMessages(sending, receiving))
  }

  public func abort(code: Int32) -> Never {
    EndingSignals.removeTemporaryFiles()
    exit(code)
  }

  public var step: CollectiveStep? { present.withLock { $0 } }

  public func enter(_ step: CollectiveStep?) {
    present.withLock { $0 = step }
    EndingSignals.enter(step)
  }

  /// Does nothing: there is nobody to wait for.
  public func watch(
    _ watchdog: Watchdog, report: @escaping @Sendable (CollectiveError) -> Void
  ) {}

  /// The messages to oneself were copied at once.
  private final class Copied: PendingExchange {
    private let error: CollectiveError?

    init(error: CollectiveError?) {
      self.error = error
    }

    func wait() throws {
      if let error { throw error }
    }
  }
}
