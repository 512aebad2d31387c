import Synchronization

/// The memory of tensors and workspaces. While it recycles, the buffer of one that is gone is kept for the next of the
/// same size: a training step asks for the sizes of the step before, in the same order, and then nothing is
/// allocated any more. What lives and what is kept together is never more than has lived at once, or than the pool is
/// allowed if that is more: where memory is short, recycling takes none that the tensors did not need before.
///
/// ```swift
/// BufferPool.shared.recycle(allowance: 1 << 30)  // once, before training
/// let before = BufferPool.shared.statistics
/// …                                          // a step
/// print(BufferPool.shared.statistics.allocations - before.allocations)  // 0 from the second or third step on
/// ```
public final class BufferPool: Sendable {
  /// What all tensors of the process take their memory from.
  public static let shared = BufferPool()

  /// What the pool has done so far, and holds.
  public struct Statistics: Hashable, Sendable {
    /// Buffers that came from the system, and those that had been used before.
    public var allocations = 0
    public var reuses = 0
    /// Bytes of buffers in use, the most at once, and of those that are kept.
    public var liveBytes = 0
    public var peakLiveBytes = 0
    public var keptBytes = 0
  }

  private struct State {
    /// Bytes; `nil`: nothing is kept.
    var allowance: Int?
    var kept: [Int: [Buffer]] = [:]
    var statistics = Statistics()
  }

  /// Unchecked, because the address is in one place at a time: in the pool, under its lock, or with who took it.
  private struct Buffer: @unchecked Sendable {
    let start: UnsafeMutableRawPointer
  }

  private let state = Mutex(State())

  /// A cache line, and a register of AVX-512.
  private static let alignment = 64

  /// Keeps buffers from now on.
  ///
  /// - Parameter allowance: bytes that may be held, in use and kept together, even if less has lived at once.
  public func recycle(allowance: Int = 0) { state.withLock { $0.allowance = allowance } }

  public var statistics: Statistics { state.withLock { $0.statistics } }

  deinit {
    state.withLock { state in
      for buffer in state.kept.values.joined() { buffer.start.deallocate() }
    }
  }

  /// - Returns: `bytes` bytes at a multiple of 64, undefined.
  func take(_ bytes: Int) -> UnsafeMutableRawPointer {
    let kept = state.withLock { state -> Buffer? in
      state.statistics.liveBytes += bytes
      state.statistics.peakLiveBytes = max(
        state.statistics.peakLiveBytes, state.statistics.liveBytes)
      if let buffer = state.kept[bytes]?.popLast() {
        state.statistics.keptBytes -= bytes
        state.statistics.reuses += 1
        return buffer
      }
      state.statistics.allocations += 1
      Self.releaseWhatIsTooMuch(&state)
      return nil
    }
    return kept?.start
      ?? UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: Self.alignment)
  }

  /// - Parameter start: of `take(bytes)`.
  func giveBack(_ start: UnsafeMutableRawPointer, _ bytes: Int) {
    let buffer = Buffer(start: start)
    let isKept = state.withLock { state in
      state.statistics.liveBytes -= bytes
      guard state.allowance != nil else { return false }
      state.kept[bytes, default: []].append(buffer)
      state.statistics.keptBytes += bytes
      return true
    }
    if !isKept { buffer.start.deallocate() }
  }

  /// Returns kept buffers to the system, the largest first, until they and what lives are no more than may be held.
  private static func releaseWhatIsTooMuch(_ state: inout State) {
    let most = max(state.statistics.peakLiveBytes, state.allowance ?? 0)
    func isTooMuch() -> Bool {
      state.statistics.keptBytes > 0
        && state.statistics.keptBytes + state.statistics.liveBytes > most
    }
    while isTooMuch() {
      guard let bytes = state.kept.filter({ !$0.value.isEmpty }).keys.max(),
        let buffer = state.kept[bytes]?.popLast()
      else { return }
      state.statistics.keptBytes -= bytes
      buffer.start.deallocate()
    }
  }
}
