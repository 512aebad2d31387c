/// What an element of a value is.
///
/// ```swift
/// ElementType.float32.bytes  // 4
/// ```
public enum ElementType: String, Hashable, Codable, Sendable, CaseIterable {
  case float32
  case float64
  case uint8
  case int32
  case int64

  /// Bytes per element.
  public var bytes: Int {
    switch self {
    case .uint8: 1
    case .float32, .int32: 4
    case .float64, .int64: 8
    }
  }

  /// Whether gradients of such values exist.
  public var isFloatingPoint: Bool { Self.floatingPoint.contains(self) }

  static let floatingPoint: [ElementType] = [.float32, .float64]
}

/// What runs along an axis. Passes that distribute a network ask for roles, never for names.
///
/// ```swift
/// AxisRole.batch.rawValue  // "batch"
/// ```
public enum AxisRole: String, Hashable, Codable, Sendable, CaseIterable {
  case batch
  case time
  case space
  case channel
  case other
}

/// One dimension of a value.
///
/// Names are for people: two axes of one value may have the same one (attention's scores have two
/// of time), and operators count axes from 0.
///
/// ```swift
/// let rows = Axis("height", .space, 32)
/// ```
public struct Axis: Hashable, Codable, Sendable {
  public let name: String
  public let role: AxisRole
  public let extent: Int

  public init(_ name: String, _ role: AxisRole, _ extent: Int) {
    self.name = name
    self.role = role
    self.extent = extent
  }

  /// The same axis with another extent.
  public func with(extent: Int) -> Axis { Axis(name, role, extent) }

  /// `height:space:32`. A name that could be taken for something else is quoted.
  var text: String {
    let isPlain = name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
    return "\(isPlain ? name : name.debugDescription):\(role.rawValue):\(extent)"
  }
}

/// A tensor of a graph: its name, what its elements are, and its axes. A scalar has no axes.
///
/// ```swift
/// let images = Value(
///   name: "images", type: .float32,
///   axes: [Axis("batch", .batch, 8), Axis("channel", .channel, 3), Axis("time", .time, 100)])
/// images.shape  // [8, 3, 100]
/// images.bytes  // 9600
/// ```
public struct Value: Hashable, Codable, Sendable {
  public let name: String
  public let type: ElementType
  public let axes: [Axis]

  public init(name: String, type: ElementType, axes: [Axis]) {
    self.name = name
    self.type = type
    self.axes = axes
  }

  public var shape: [Int] { axes.map(\.extent) }

  /// The number of elements, 1 of a scalar; `Int.max` where it is greater than that.
  public var count: Int { product(shape) }

  /// The size of all elements; `Int.max` where it is greater than that.
  public var bytes: Int { product(shape + [type.bytes]) }

  /// Whether every byte could have an address; an extent of 0 counts as 1, so that no product of
  /// some of the extents overflows either.
  var isAddressable: Bool { product(shape.map { max($0, 1) } + [type.bytes]) < Int.max }

  /// The same name and type with other axes.
  func with(axes: [Axis]) -> Value { Value(name: name, type: type, axes: axes) }

  /// The same axes and elements under another name.
  func named(_ name: String) -> Value { Value(name: name, type: type, axes: axes) }
}

/// The product of numbers; `Int.max` where that is less.
func product(_ numbers: [Int]) -> Int {
  if numbers.contains(0) { return 0 }
  return numbers.reduce(1) { product, number in
    let (next, overflow) = product.multipliedReportingOverflow(by: number)
    return overflow ? Int.max : next
  }
}

/// The number of a value in a graph, in order of appearance.
///
/// ```swift
/// let images = try builder.input("images", .float32, axes)
/// graph[images].shape
/// ```
public struct ValueID: Hashable, Codable, Sendable, Comparable {
  public let index: Int

  public init(_ index: Int) { self.index = index }

  public static func < (a: ValueID, b: ValueID) -> Bool { a.index < b.index }

  public init(from decoder: any Decoder) throws {
    index = try decoder.singleValueContainer().decode(Int.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(index)
  }
}
