import CKernels
import COpenBLAS

/// The element types that Convoy computes in: `Float` and `Double`.
///
/// The requirements are the whole of what the kernels ask of an element type, each a call that does
/// much work, so that everything above may be generic without losing speed.
///
/// ```swift
/// func total<Element: TensorElement>(_ x: Tensor<Element>) -> Element {
///   x.withElements { $0.reduce(0, +) }
/// }
/// ```
public protocol TensorElement: BinaryFloatingPoint, Sendable {
  /// `d[i, j] += p[i, j] · q[i, j]` over two strided loops (see `convoy_multiply_add_f32`).
  static func multiplyAdd(
    outer: Int, inner: Int, _ d: UnsafeMutablePointer<Self>, _ ds: ConvoyStrides,
    _ p: UnsafePointer<Self>, _ ps: ConvoyStrides, _ q: UnsafePointer<Self>, _ qs: ConvoyStrides,
    low: Int)

  /// Adds what additions have rounded off (see `convoy_settle_f32`).
  static func settle(
    _ sums: UnsafeMutablePointer<Self>, low: UnsafePointer<Self>, count: Int)

  /// Copies a strided tensor; extents and strides outermost first.
  static func permute(
    extents: [Int], to: UnsafeMutablePointer<Self>, _ toStrides: [Int],
    from: UnsafePointer<Self>, _ fromStrides: [Int])

  /// Adds a strided tensor to another, which it does not overlap; extents and strides outermost
  /// first.
  static func add(
    extents: [Int], to: UnsafeMutablePointer<Self>, _ toStrides: [Int],
    from: UnsafePointer<Self>, _ fromStrides: [Int])

  /// `d = p·q + beta·d` with d (m × n), p (m × k) and q (k × n) row-major, or stored transposed.
  static func gemm(
    m: Int, n: Int, k: Int, _ p: UnsafePointer<Self>, pTransposed: Bool, pLeading: Int,
    _ q: UnsafePointer<Self>, qTransposed: Bool, qLeading: Int, beta: Self,
    _ d: UnsafeMutablePointer<Self>, dLeading: Int)

  /// A sum of products of small matrices (see `convoy_batch_reduce_f32`).
  static func batchReduce(
    _ shape: ConvoyBatchReduce, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>)

  /// A matrix of dot products (see `convoy_dot_products_f32`).
  static func dotProducts(
    _ shape: ConvoyDotProducts, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>)

  /// Rows of sums of element-wise products (see `convoy_lane_products_f32`).
  static func laneProducts(
    _ shape: ConvoyLaneProducts, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>)

  /// Transforms of minimal filtering (see `convoy_winograd_f32`).
  static func winograd(
    _ shape: ConvoyWinograd, _ from: UnsafePointer<Self>, _ to: UnsafeMutablePointer<Self>)

  /// Raises what is there to the magnitudes of a strided tensor (see `convoy_magnitudes_f32`).
  static func magnitudes(
    extents: [Int], to: UnsafeMutablePointer<ConvoyMagnitude>, _ toStrides: [Int],
    from: UnsafePointer<Self>, _ fromStrides: [Int])

  /// The largest magnitude of elements that follow each other (see `convoy_largest_f32`).
  static func largestMagnitude(_ from: UnsafePointer<Self>, count: Int) -> ConvoyMagnitude
}

extension TensorElement {
  /// The exponent of a magnitude: biased, 0 of 0 alone.
  static func exponent(of magnitude: ConvoyMagnitude) -> Int {
    // Of a double the upper half. Subnormal numbers have the exponent of the least normal one.
    magnitude == 0 ? 0 : max(1, Int(magnitude >> ConvoyMagnitude(31 - exponentBitCount)))
  }

  /// The exponent of infinity and NaN; that of 1 is half as much.
  static var infiniteExponent: Int { 1 << exponentBitCount - 1 }
}

extension Float: TensorElement {
  public static func batchReduce(
    _ shape: ConvoyBatchReduce, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    withUnsafePointer(to: shape) { convoy_batch_reduce_f32($0, a, b, c) }
  }

  public static func dotProducts(
    _ shape: ConvoyDotProducts, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    withUnsafePointer(to: shape) { convoy_dot_products_f32($0, a, b, c) }
  }

  public static func laneProducts(
    _ shape: ConvoyLaneProducts, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    withUnsafePointer(to: shape) { convoy_lane_products_f32($0, a, b, c) }
  }

  public static func winograd(
    _ shape: ConvoyWinograd, _ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>
  ) {
    withUnsafePointer(to: shape) { convoy_winograd_f32($0, from, to) }
  }

  public static func magnitudes(
    extents: [Int], to: UnsafeMutablePointer<ConvoyMagnitude>, _ toStrides: [Int],
    from: UnsafePointer<Float>, _ fromStrides: [Int]
  ) {
    convoy_magnitudes_f32(extents.count, extents, to, toStrides, from, fromStrides)
  }

  public static func largestMagnitude(
    _ from: UnsafePointer<Float>, count: Int
  ) -> ConvoyMagnitude {
    convoy_largest_f32(count, from)
  }

  public static func multiplyAdd(
    outer: Int, inner: Int, _ d: UnsafeMutablePointer<Float>, _ ds: ConvoyStrides,
    _ p: UnsafePointer<Float>, _ ps: ConvoyStrides, _ q: UnsafePointer<Float>,
    _ qs: ConvoyStrides, low: Int
  ) {
    convoy_multiply_add_f32(outer, inner, d, ds, p, ps, q, qs, low)
  }

  public static func settle(
    _ sums: UnsafeMutablePointer<Float>, low: UnsafePointer<Float>, count: Int
  ) {
    convoy_settle_f32(count, sums, low)
  }

  public static func permute(
    extents: [Int], to: UnsafeMutablePointer<Float>, _ toStrides: [Int],
    from: UnsafePointer<Float>, _ fromStrides: [Int]
  ) {
    convoy_permute_f32(extents.count, extents, to, toStrides, from, fromStrides)
  }

  public static func add(
    extents: [Int], to: UnsafeMutablePointer<Float>, _ toStrides: [Int],
    from: UnsafePointer<Float>, _ fromStrides: [Int]
  ) {
    convoy_add_f32(extents.count, extents, to, toStrides, from, fromStrides)
  }

  public static func gemm(
    m: Int, n: Int, k: Int, _ p: UnsafePointer<Float>, pTransposed: Bool, pLeading: Int,
    _ q: UnsafePointer<Float>, qTransposed: Bool, qLeading: Int, beta: Float,
    _ d: UnsafeMutablePointer<Float>, dLeading: Int
  ) {
    cblas_sgemm(
      CblasRowMajor, pTransposed ? CblasTrans : CblasNoTrans,
      qTransposed ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k), 1, p,
      blasint(pLeading), q, blasint(qLeading), beta, d, blasint(dLeading))
  }
}

extension Double: TensorElement {
  public static func batchReduce(
    _ shape: ConvoyBatchReduce, _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>,
    _ c: UnsafeMutablePointer<Double>
  ) {
    withUnsafePointer(to: shape) { convoy_batch_reduce_f64($0, a, b, c) }
  }

  public static func dotProducts(
    _ shape: ConvoyDotProducts, _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>,
    _ c: UnsafeMutablePointer<Double>
  ) {
    withUnsafePointer(to: shape) { convoy_dot_products_f64($0, a, b, c) }
  }

  public static func laneProducts(
    _ shape: ConvoyLaneProducts, _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>,
    _ c: UnsafeMutablePointer<Double>
  ) {
    withUnsafePointer(to: shape) { convoy_lane_products_f64($0, a, b, c) }
  }

  public static func winograd(
    _ shape: ConvoyWinograd, _ from: UnsafePointer<Double>, _ to: UnsafeMutablePointer<Double>
  ) {
    withUnsafePointer(to: shape) { convoy_winograd_f64($0, from, to) }
  }

  public static func magnitudes(
    extents: [Int], to: UnsafeMutablePointer<ConvoyMagnitude>, _ toStrides: [Int],
    from: UnsafePointer<Double>, _ fromStrides: [Int]
  ) {
    convoy_magnitudes_f64(extents.count, extents, to, toStrides, from, fromStrides)
  }

  public static func largestMagnitude(
    _ from: UnsafePointer<Double>, count: Int
  ) -> ConvoyMagnitude {
    convoy_largest_f64(count, from)
  }

  public static func multiplyAdd(
    outer: Int, inner: Int, _ d: UnsafeMutablePointer<Double>, _ ds: ConvoyStrides,
    _ p: UnsafePointer<Double>, _ ps: ConvoyStrides, _ q: UnsafePointer<Double>,
    _ qs: ConvoyStrides, low: Int
  ) {
    convoy_multiply_add_f64(outer, inner, d, ds, p, ps, q, qs, low)
  }

  public static func settle(
    _ sums: UnsafeMutablePointer<Double>, low: UnsafePointer<Double>, count: Int
  ) {
    convoy_settle_f64(count, sums, low)
  }

  public static func permute(
    extents: [Int], to: UnsafeMutablePointer<Double>, _ toStrides: [Int],
    from: UnsafePointer<Double>, _ fromStrides: [Int]
  ) {
    convoy_permute_f64(extents.count, extents, to, toStrides, from, fromStrides)
  }

  public static func add(
    extents: [Int], to: UnsafeMutablePointer<Double>, _ toStrides: [Int],
    from: UnsafePointer<Double>, _ fromStrides: [Int]
  ) {
    convoy_add_f64(extents.count, extents, to, toStrides, from, fromStrides)
  }

  public static func gemm(
    m: Int, n: Int, k: Int, _ p: UnsafePointer<Double>, pTransposed: Bool, pLeading: Int,
    _ q: UnsafePointer<Double>, qTransposed: Bool, qLeading: Int, beta: Double,
    _ d: UnsafeMutablePointer<Double>, dLeading: Int
  ) {
    cblas_dgemm(
      CblasRowMajor, pTransposed ? CblasTrans : CblasNoTrans,
      qTransposed ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k), 1, p,
      blasint(pLeading), q, blasint(qLeading), beta, d, blasint(dLeading))
  }
}

/// Keeps OpenBLAS to one thread per rank: Convoy distributes work itself, and two thread pools on
/// the same cores slow each other down.
///
/// ```swift
/// print(BLAS.configuration)  // OpenBLAS 0.3.21 … Haswell MAX_THREADS=64
/// ```
public enum BLAS {
  public static func useOneThread() { openblas_set_num_threads(1) }

  /// The library's own description, for diagnostics.
  public static var configuration: String { String(cString: openblas_get_config()) }
}
