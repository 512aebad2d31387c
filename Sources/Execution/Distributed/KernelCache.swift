import Kernels
import Synchronization

/// Lowered nests, each lowered once: thousands of ranks and slices share a few of them.
final class KernelCache: Sendable {
  private struct Key: Hashable {
    let nest: ContractionNest
    let role: ContractionNest.Role
  }

  let context: Context
  private let lowered = Mutex<[Key: LoweredNest]>([:])

  init(_ context: Context) { self.context = context }

  func kernel(_ nest: ContractionNest, writing role: ContractionNest.Role) -> LoweredNest {
    lowered.withLock { cache in
      let key = Key(nest: nest, role: role)
      if let kernel = cache[key] { return kernel }
      let kernel = LoweredNest(nest, writing: role, context: context)
      cache[key] = kernel
      return kernel
    }
  }
}
