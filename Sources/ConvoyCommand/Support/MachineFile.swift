import Convoy
import Formats
import Foundation

/// Reads the model that `convoy calibrate --out` writes, for `--machine FILE`.
///
/// - Throws: `MachineFileError`, which says what is wrong with the file and its remedy.
func machineModel(path: String) throws -> MachineModel {
  let data = try textFile(path, limit: MachineFileError.mostBytes) { problem in
    MachineFileError(path: path, problem: .unusable(problem))
  }
  let object: Any
  do {
    object = try JSONSerialization.jsonObject(with: data)
  } catch {
    throw MachineFileError(path: path, problem: .notJSON)
  }
  guard let object = object as? [String: Any] else {
    throw MachineFileError(path: path, problem: .notJSON)
  }
  let known = try JSONSerialization.jsonObject(with: JSONEncoder().encode(MachineModel.standard))
  if let key = firstUnknownKey(of: object, known: known as? [String: Any] ?? [:]) {
    throw MachineFileError(path: path, problem: .unknownKey(key))
  }
  // The decoder does not say which number it is that is not whole.
  for key in MachineFileError.wholeNumbers {
    if let number = object[key] as? Double, Int(exactly: number) == nil {
      throw MachineFileError(path: path, problem: .wrongType(key: key))
    }
  }
  do {
    return try JSONDecoder().decode(MachineModel.self, from: data).validated()
  } catch let error as MachineModelError {
    throw MachineFileError(path: path, problem: .outOfRange(error))
  } catch let error as DecodingError {
    throw MachineFileError(path: path, problem: .init(error))
  }
}

/// What is wrong with a machine file.
struct MachineFileError: Error, Equatable {
  enum Problem: Equatable {
    case unusable(TextFileProblem)
    case notJSON
    case unknownKey(String)
    case missingKey(String)
    case wrongType(key: String)
    case outOfRange(MachineModelError)
  }

  let path: String
  let problem: Problem

  /// A machine file has some hundred bytes; what is far longer is something else.
  static let mostBytes = 1 << 20
  static let wholeNumbers = ["ranksPerNode", "threadsPerRank"]
}

extension MachineFileError: CustomStringConvertible {
  var description: String {
    let path = printable(path)
    let remedy = "; 'convoy calibrate --out \(path)' writes a whole one"
    switch problem {
    case .unusable(.missing): return "\(path): there is no such file" + remedy
    case .unusable(.unreadable): return "\(path): cannot be read; expected a machine model in JSON"
    case .unusable(.notAFile):
      return "\(path): is a folder, a device or a pipe; expected a file, a machine model in JSON"
    case .unusable(.tooLarge):
      return "\(path): is longer than \(Self.mostBytes) bytes; expected a machine model in JSON"
    case .notJSON: return "\(path): is not a JSON object; expected a machine model" + remedy
    case .unknownKey(let key):
      return "\(path): there is no key '\(printable(key))' in a machine model; remove it"
    case .missingKey(let key): return "\(path): the key '\(key)' is missing" + remedy
    case .wrongType(let key):
      return "\(path): the value of '\(key)' is not \(Self.kind(of: key))"
    case .outOfRange(let error): return "\(path): \(error)"
    }
  }

  /// What a key's value has to be.
  private static func kind(of key: String) -> String {
    switch key {
    case "name": "a text"
    case "insideNode", "betweenNodes": "an object of latencySeconds and bytesPerSecond"
    case let key where wholeNumbers.contains(key): "a whole number"
    default: "a number"
    }
  }
}

extension MachineFileError.Problem {
  fileprivate init(_ error: DecodingError) {
    func name(_ path: [any CodingKey]) -> String { path.map(\.stringValue).joined(separator: ".") }
    switch error {
    case .keyNotFound(let key, let context): self = .missingKey(name(context.codingPath + [key]))
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      self = .wrongType(key: name(context.codingPath))
    default: self = .notJSON
    }
  }
}

/// The first key, in order of names, that a known object does not have; `a.b` for one inside `a`.
private func firstUnknownKey(of object: [String: Any], known: [String: Any]) -> String? {
  for key in object.keys.sorted() {
    guard let value = known[key] else { return key }
    if let inner = object[key] as? [String: Any], let value = value as? [String: Any],
      let unknown = firstUnknownKey(of: inner, known: value)
    {
      return key + "." + unknown
    }
  }
  return nil
}
