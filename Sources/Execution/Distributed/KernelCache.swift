import Kernels
import Synchronization

/// Lowered nests, each lowered once: thousands of ranks and slices share a few of them.
final class KernelCache: Sendable {
  private struct Key: Hashable {
    let nest: ContractionNest
    let role: ContractionNest.Role
  }

  private let lowered = Mutex<[Key: LoweredNest]>([:])

  func kernel(_ nest: ContractionNest, writing role: ContractionNest.Role) -> LoweredNest {
    lowered.withLock { cache in
      let key = Key(nest: nest, role: role)
      if let kernel = cache[key] { return kernel }
      let kernel = LoweredNest(nest, writing: role)
      cache[key] = kernel
      return kernel
    }
  }
}
