import CKernels

/// The most that one thread of this machine can do with the kernels that there are: what a roofline is
/// made of (Williams, Waterman and Patterson 2009).
///
/// ```swift
/// let rate = PeakRates.flopsPerSecond(of: Float.self, seconds: 0.1)                // about 2e11
/// let bandwidth = PeakRates.memoryBytesPerSecond(of: Float.self, elements: 1 << 24, seconds: 0.1)
/// ```
public enum PeakRates {
  /// Of the batch-reduce kernel with what it reads and writes in cache, the best of some sizes; a
  /// multiply-add counts as two operations.
  public static func flopsPerSecond<Element: TensorElement>(
    of type: Element.Type, seconds: Double, context: Context = .process
  ) -> Double {
    // Long sums pay less for their calls and stores, short ones stay in the first-level cache.
    let depths = [128, 512, 2048]
    return depths.reduce(0) {
      let seconds = seconds / Double(depths.count)
      return max($0, flopsPerSecond(of: type, depth: $1, seconds: seconds, context))
    }
  }

  private static func flopsPerSecond<Element: TensorElement>(
    of type: Element.Type, depth: Int, seconds: Double, _ context: Context
  ) -> Double {
    // Columns in whole blocks whatever the instruction set: 3, 6, 14 or 28.
    let (lanes, columns) = (Int(CONVOY_LANES), 84)
    let a = filled(type, count: lanes * depth)
    let b = filled(type, count: columns * depth)
    var c = filled(type, count: lanes * columns)
    let offsets = [0]
    let least = offsets.withUnsafeBufferPointer { offsets in
      let shape = ConvoyBatchReduce(
        level: context.level, lanes: lanes, columns: columns, depth: depth, count: 1,
        a_offsets: offsets.baseAddress,
        b_offsets: offsets.baseAddress, a_k: lanes, b_k: 1, b_j: depth, c_j: lanes, run: .max,
        low: 0, adding: 0,
        repeats: 1, a_r: 0, b_r: 0, c_r: 0)
      return a.withPointer { a in
        b.withPointer { b in
          c.withMutablePointer { c in
            CallTimer.leastSeconds([{ Element.batchReduce(shape, a, b, c) }], within: seconds)[0]
          }
        }
      }
    }
    return Double(2 * lanes * columns * depth) / least
  }

  /// Of d += p·q element by element: three tensors that are read and one that is written, all bytes
  /// of which really pass. (A destination that is only written is read as well on most machines, or
  /// counts as bytes that need not have passed.)
  ///
  /// - Parameter elements: of each of the three tensors: many times what the caches hold.
  public static func memoryBytesPerSecond<Element: TensorElement>(
    of type: Element.Type, elements: Int, seconds: Double
  ) -> Double {
    let p = filled(type, count: elements)
    let q = filled(type, count: elements)
    var d = filled(type, count: elements)
    let one = ConvoyStrides(outer: 0, inner: 1)
    let least = p.withPointer { p in
      q.withPointer { q in
        d.withMutablePointer { d in
          CallTimer.leastSeconds(
            [{ Element.multiplyAdd(outer: 1, inner: elements, d, one, p, one, q, one, low: 0) }],
            within: seconds)[0]
        }
      }
    }
    return Double(4 * elements * MemoryLayout<Element>.stride) / least
  }

  /// A small number other than zero, by which some machines multiply faster: sums stay far from overflow.
  static func element<Element: TensorElement>() -> Element { 0.0625 }

  static func filled<Element: TensorElement>(
    _ type: Element.Type, count: Int
  ) -> Tensor<Element> {
    var tensor = Tensor<Element>(uninitialized: [count])
    tensor.withMutableElements { $0.initialize(repeating: element()) }
    return tensor
  }
}
