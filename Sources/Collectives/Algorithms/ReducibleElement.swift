/// What can be summed over ranks.
///
/// The loop is a witness with concrete types, because the algorithms are generic over the
/// communicator, and the optimiser does not specialise only one of two type parameters.
protocol ReducibleElement {
  static var element: CollectiveCall.Element { get }
  /// sum[i] += terms[i] for i in 0 ..< count.
  static func add(_ terms: UnsafePointer<Self>, to sum: UnsafeMutablePointer<Self>, count: Int)
}

extension Float: ReducibleElement {
  static let element = CollectiveCall.Element.float

  static func add(_ terms: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { sum[i] += terms[i] }
  }
}

extension Double: ReducibleElement {
  static let element = CollectiveCall.Element.double

  static func add(
    _ terms: UnsafePointer<Double>, to sum: UnsafeMutablePointer<Double>, count: Int
  ) {
    for i in 0..<count { sum[i] += terms[i] }
  }
}
