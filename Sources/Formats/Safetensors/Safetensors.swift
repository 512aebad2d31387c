/// Named tensors and text, in Hugging Face's `safetensors` format: what weights are kept in.
///
/// ```swift
/// let weights = Safetensors(
///   tensors: [.init(name: "linear.weight", shape: [2, 3], elements: .float32([0, 1, 2, 3, 4, 5]))],
///   metadata: ["step": "100"])
/// try weights.write(to: "weights.safetensors")
/// let same = try Safetensors(path: "weights.safetensors")
/// print(same["linear.weight"]?.shape ?? [], same.metadata["step"] ?? "")  // [2, 3] 100
/// ```
///
/// Source: the format as the README of `huggingface/safetensors` gives it, and its Rust reader and
/// writer (`safetensors/src/tensor.rs`), which decide where the README is silent.
public struct Safetensors: Hashable, Sendable {
  /// In the order of their data in the file they come from. `write` puts them into its own order.
  public var tensors: [NamedTensor]
  public var metadata: [String: String]

  public init(tensors: [NamedTensor] = [], metadata: [String: String] = [:]) {
    self.tensors = tensors
    self.metadata = metadata
  }

  /// The tensor of this name.
  public subscript(name: String) -> NamedTensor? { tensors.first { $0.name == name } }

  public struct NamedTensor: Hashable, Sendable {
    public let name: String
    /// Extents ≥ 0; empty for a scalar.
    public let shape: [Int]
    /// As many as the product of `shape`, in row-major order.
    public let elements: Elements

    /// A tensor of given elements; `elements.count` is the product of `shape`.
    public init(name: String, shape: [Int], elements: Elements) {
      precondition(
        storageSize(shape: shape, elementSize: 1) == elements.count,
        "\(elements.count) elements for tensor '\(name)' of \(shape)")
      self.name = name
      self.shape = shape
      self.elements = elements
    }
  }

  public enum Elements: Hashable, Sendable {
    case float32([Float])
    case float64([Double])
    case int64([Int64])
    case uint8([UInt8])

    public var count: Int {
      switch self {
      case .float32(let elements): elements.count
      case .float64(let elements): elements.count
      case .int64(let elements): elements.count
      case .uint8(let elements): elements.count
      }
    }

    var type: SafetensorsType {
      switch self {
      case .float32: .float32
      case .float64: .float64
      case .int64: .int64
      case .uint8: .uint8
      }
    }
  }
}

/// The types that are read and written, in the order in which the reference writes them: the widest
/// first, which keeps every tensor aligned to its elements.
enum SafetensorsType: String, CaseIterable {
  case int64 = "I64"
  case float64 = "F64"
  case float32 = "F32"
  case uint8 = "U8"

  var size: Int {
    switch self {
    case .int64, .float64: 8
    case .float32: 4
    case .uint8: 1
    }
  }

  /// Place in the order of writing.
  var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// The key beside the tensors' names under which the metadata stands.
let safetensorsMetadataKey = "__metadata__"
