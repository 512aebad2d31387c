import CKernels
import Synchronization

/// Counts the bytes of the buffers allocated through it: how many live now, and the most at once.
///
/// ```swift
/// let meter = MemoryMeter()
/// _ = try Contraction<Float>(plan, meter: meter)(operands)
/// print(meter.peakBytes)
/// ```
public final class MemoryMeter: Sendable {
  private struct Count {
    var live = 0
    var peak = 0
  }

  private let count = Mutex(Count())

  public init() {}

  /// Bytes of the buffers that live now.
  public var liveBytes: Int { count.withLock { $0.live } }

  /// The most bytes that lived at once.
  public var peakBytes: Int { count.withLock { $0.peak } }

  func allocate(_ bytes: Int) {
    count.withLock {
      $0.live += bytes
      $0.peak = max($0.peak, $0.live)
    }
  }

  func release(_ bytes: Int) { count.withLock { $0.live -= bytes } }
}

/// The process's memory.
///
/// ```swift
/// HostMemory.keepFreed()                      // once, before training
/// let fits = bytes <= HostMemory.limitBytes
/// ```
public enum HostMemory {
  /// Keeps freed tensors' memory for the next ones (`BufferPool`), and what else the C library frees, instead of
  /// giving it back to the system. Training asks for the same sizes at every step, and each page that
  /// comes from the system costs a fault. Of tensors as much as have lived at once is held, or a quarter of the memory
  /// if that is more.
  ///
  /// - Parameter processes: that share this machine's memory.
  public static func keepFreed(processes: Int = 1) {
    convoy_keep_freed_memory()
    BufferPool.shared.recycle(allowance: limitBytes / 4 / max(1, processes))
  }

  /// Bytes of memory this process may use, together with those that share the machine, or the control
  /// group, with it: the machine's, or less where a control group of the process says so.
  public static let limitBytes = min(
    Int(convoy_physical_memory()), ControlGroups.current.memoryLimit ?? .max)
}
