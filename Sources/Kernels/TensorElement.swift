import CKernels
import COpenBLAS

/// The element types that Convoy computes in: `Float` and `Double`.
///
/// ```swift
/// func total<Element: TensorElement>(_ x: Tensor<Element>) -> Element {
///   x.withElements { $0.reduce(0, +) }
/// }
/// ```
public protocol TensorElement: BinaryFloatingPoint, Sendable {
  static var kernels: ElementKernels<Self> { get }
}

/// The whole of what is asked of an element type: functions in C, each of which does much work, so that everything
/// above may be generic without losing speed.
///
/// ```swift
/// Double.kernels.settle(count, sums, low)    // convoy_settle_f64
/// ```
public struct ElementKernels<Element>: Sendable {
  typealias Source = UnsafePointer<Element>
  typealias Destination = UnsafeMutablePointer<Element>
  typealias Kernel<Shape> = @Sendable (UnsafePointer<Shape>, Source, Source, Destination) -> Void
  /// Rank, extents, then each tensor with its strides.
  typealias Move =
    @Sendable (
      Int, UnsafePointer<Int>, Destination, UnsafePointer<Int>, Source, UnsafePointer<Int>
    ) -> Void

  let batchReduce: Kernel<ConvoyBatchReduce>
  let dotProducts: Kernel<ConvoyDotProducts>
  let laneProducts: Kernel<ConvoyLaneProducts>
  let winograd: @Sendable (UnsafePointer<ConvoyWinograd>, Source, Destination) -> Void
  let magnitudes:
    @Sendable (
      Int, UnsafePointer<Int>, UnsafeMutablePointer<ConvoyMagnitude>, UnsafePointer<Int>, Source,
      UnsafePointer<Int>
    ) -> Void
  let largestMagnitude: @Sendable (Int, Source) -> ConvoyMagnitude
  let countExponents: @Sendable (Int, Source, Int, UnsafeMutablePointer<Int>) -> Void
  let multiplyAdd:
    @Sendable (
      Int, Int, Destination, ConvoyStrides, Source, ConvoyStrides, Source, ConvoyStrides, Int
    ) -> Void
  let settle: @Sendable (Int, Destination, Source) -> Void
  let permute: Move
  let add: Move
  let gemm:
    @Sendable (
      CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, blasint, blasint, blasint, Element, Source,
      blasint, Source, blasint, Element, Destination, blasint
    ) -> Void
}

extension Float: TensorElement {
  public static let kernels = ElementKernels<Float>(
    batchReduce: convoy_batch_reduce_f32, dotProducts: convoy_dot_products_f32,
    laneProducts: convoy_lane_products_f32, winograd: convoy_winograd_f32,
    magnitudes: convoy_magnitudes_f32, largestMagnitude: convoy_largest_f32,
    countExponents: convoy_count_exponents_f32,
    multiplyAdd: convoy_multiply_add_f32, settle: convoy_settle_f32, permute: convoy_permute_f32,
    add: convoy_add_f32, gemm: cblas_sgemm)
}

extension Double: TensorElement {
  public static let kernels = ElementKernels<Double>(
    batchReduce: convoy_batch_reduce_f64, dotProducts: convoy_dot_products_f64,
    laneProducts: convoy_lane_products_f64, winograd: convoy_winograd_f64,
    magnitudes: convoy_magnitudes_f64, largestMagnitude: convoy_largest_f64,
    countExponents: convoy_count_exponents_f64,
    multiplyAdd: convoy_multiply_add_f64, settle: convoy_settle_f64, permute: convoy_permute_f64,
    add: convoy_add_f64, gemm: cblas_dgemm)
}

extension TensorElement {
  /// A sum of products of small matrices (see `convoy_batch_reduce_f32`).
  static func batchReduce(
    _ shape: ConvoyBatchReduce, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>
  ) {
    withUnsafePointer(to: shape) { kernels.batchReduce($0, a, b, c) }
  }

  /// A matrix of dot products (see `convoy_dot_products_f32`).
  static func dotProducts(
    _ shape: ConvoyDotProducts, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>
  ) {
    withUnsafePointer(to: shape) { kernels.dotProducts($0, a, b, c) }
  }

  /// Rows of sums of element-wise products (see `convoy_lane_products_f32`).
  static func laneProducts(
    _ shape: ConvoyLaneProducts, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>
  ) {
    withUnsafePointer(to: shape) { kernels.laneProducts($0, a, b, c) }
  }

  /// Transforms of minimal filtering (see `convoy_winograd_f32`).
  static func winograd(
    _ shape: ConvoyWinograd, _ from: UnsafePointer<Self>, _ to: UnsafeMutablePointer<Self>
  ) {
    withUnsafePointer(to: shape) { kernels.winograd($0, from, to) }
  }

  /// Raises what is there to the magnitudes of a strided tensor (see `convoy_magnitudes_f32`).
  static func magnitudes(
    extents: [Int], to: UnsafeMutablePointer<ConvoyMagnitude>, _ toStrides: [Int],
    from: UnsafePointer<Self>, _ fromStrides: [Int]
  ) {
    kernels.magnitudes(extents.count, extents, to, toStrides, from, fromStrides)
  }

  /// The largest magnitude of elements that follow each other (see `convoy_largest_f32`).
  static func largestMagnitude(_ from: UnsafePointer<Self>, count: Int) -> ConvoyMagnitude {
    kernels.largestMagnitude(count, from)
  }

  /// `d[i, j] += p[i, j] · q[i, j]` over two strided loops (see `convoy_multiply_add_f32`).
  static func multiplyAdd(
    outer: Int, inner: Int, _ d: UnsafeMutablePointer<Self>, _ ds: ConvoyStrides,
    _ p: UnsafePointer<Self>, _ ps: ConvoyStrides, _ q: UnsafePointer<Self>, _ qs: ConvoyStrides,
    low: Int
  ) {
    kernels.multiplyAdd(outer, inner, d, ds, p, ps, q, qs, low)
  }

  /// Adds what additions have rounded off (see `convoy_settle_f32`).
  static func settle(
    _ sums: UnsafeMutablePointer<Self>, low: UnsafePointer<Self>, count: Int
  ) {
    kernels.settle(count, sums, low)
  }

  /// Copies a strided tensor; extents and strides outermost first.
  public static func permute(
    extents: [Int], to: UnsafeMutablePointer<Self>, _ toStrides: [Int],
    from: UnsafePointer<Self>, _ fromStrides: [Int]
  ) {
    kernels.permute(extents.count, extents, to, toStrides, from, fromStrides)
  }

  /// Adds a strided tensor to another, which it does not overlap; extents and strides outermost
  /// first.
  public static func add(
    extents: [Int], to: UnsafeMutablePointer<Self>, _ toStrides: [Int],
    from: UnsafePointer<Self>, _ fromStrides: [Int]
  ) {
    kernels.add(extents.count, extents, to, toStrides, from, fromStrides)
  }

  /// `d = p·q + beta·d` with d (m × n), p (m × k) and q (k × n) row-major, or stored transposed.
  static func gemm(
    m: Int, n: Int, k: Int, _ p: UnsafePointer<Self>, pTransposed: Bool, pLeading: Int,
    _ q: UnsafePointer<Self>, qTransposed: Bool, qLeading: Int, beta: Self,
    _ d: UnsafeMutablePointer<Self>, dLeading: Int
  ) {
    kernels.gemm(
      CblasRowMajor, pTransposed ? CblasTrans : CblasNoTrans,
      qTransposed ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k), 1, p,
      blasint(pLeading), q, blasint(qLeading), beta, d, blasint(dLeading))
  }

  /// The exponent of a magnitude: biased, 0 of 0 alone.
  static func exponent(of magnitude: ConvoyMagnitude) -> Int {
    // Of a double the upper half. Subnormal numbers have the exponent of the least normal one.
    magnitude == 0 ? 0 : max(1, Int(magnitude >> ConvoyMagnitude(31 - exponentBitCount)))
  }

  /// The exponent of infinity and NaN; that of 1 is half as much.
  static var infiniteExponent: Int { 1 << exponentBitCount - 1 }
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
