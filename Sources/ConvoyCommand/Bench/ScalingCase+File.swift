import Convoy
import Formats
import Foundation

extension ScalingCase {
  /// Reads a file of cases, a JSON list of objects with the keys of `Key`, and makes sure that each
  /// is an expression with fitting shapes.
  ///
  /// - Throws: `ScalingCasesError`, which names the file, the case and what was expected.
  static func read(path: String) throws -> [ScalingCase] {
    let data = try textFile(path, limit: ScalingCasesError.mostBytes) { problem in
      ScalingCasesError(path: path, problem: .unusable(problem))
    }
    let entries: [Entry]
    do {
      entries = try JSONDecoder().decode([Entry].self, from: data)
    } catch let error as ScalingCasesError.Problem {
      throw ScalingCasesError(path: path, problem: error)
    } catch let error as DecodingError {
      throw ScalingCasesError(path: path, problem: .init(error))
    }
    guard !entries.isEmpty else { throw ScalingCasesError(path: path, problem: .noCases) }
    for entry in entries.map(\.value) {
      do {
        _ = try entry.bound()
      } catch {
        throw ScalingCasesError(
          path: path, problem: .invalid(name: entry.name, reason: "\(error)"))
      }
    }
    return entries.map(\.value)
  }

  /// Those with `filter` in their names.
  ///
  /// - Throws: `ScalingCasesError`, `.noMatch` among them.
  static func read(path: String, filter: String?) throws -> [ScalingCase] {
    let all = try read(path: path)
    guard let filter else { return all }
    let some = all.filter { $0.name.lowercased().contains(filter.lowercased()) }
    guard !some.isEmpty else {
      throw ScalingCasesError(
        path: path, problem: .noMatch(filter: filter, names: all.map(\.name)))
    }
    return some
  }

  /// The keys of a case, in the order of messages.
  enum Key: String, CaseIterable {
    case name, form, expression, conv, shapes, weak

    /// What its value has to be.
    var kind: String {
      switch self {
      case .name, .form, .expression: "a text"
      case .weak: "a text, the name of a mode"
      case .conv: "a text or a list of texts, as --conv takes them"
      case .shapes: "a list of shapes, one per operand, each a list of whole numbers"
      }
    }
  }

  /// A case as it is read; its shapes are not yet known to fit.
  private struct Entry: Decodable {
    let value: ScalingCase

    private struct AnyKey: CodingKey {
      let stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
      init(_ key: Key) { stringValue = key.rawValue }
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: AnyKey.self)
      let number = decoder.codingPath.first?.intValue ?? 0
      for key in container.allKeys.map(\.stringValue).sorted() where Key(rawValue: key) == nil {
        throw ScalingCasesError.Problem.unknownKey(number: number, key: key)
      }
      func text(_ key: Key) throws -> String? {
        guard container.contains(AnyKey(key)) else { return nil }
        return try container.decode(String.self, forKey: AnyKey(key))
      }
      let conv: [String]
      if !container.contains(AnyKey(.conv)) {
        conv = []
      } else if let one = try? container.decode(String.self, forKey: AnyKey(.conv)) {
        conv = [one]
      } else {
        conv = try container.decode([String].self, forKey: AnyKey(.conv))
      }
      value = ScalingCase(
        name: try container.decode(String.self, forKey: AnyKey(.name)), form: try text(.form),
        expression: try container.decode(String.self, forKey: AnyKey(.expression)), conv: conv,
        // As whole numbers the decoder would not say where the wrong one is.
        shapes: try container.decode([[Double]].self, forKey: AnyKey(.shapes)).map {
          try $0.map { extent in
            guard let whole = Int(exactly: extent), whole >= 0 else {
              throw ScalingCasesError.Problem.extent(number: number, value: extent)
            }
            return whole
          }
        }, weak: try text(.weak))
    }
  }
}

/// What is wrong with a file of cases.
struct ScalingCasesError: Error, Equatable {
  /// Cases are numbered from 0.
  enum Problem: Error, Equatable {
    case unusable(TextFileProblem)
    case notJSON, notAList, noCases
    case notAnObject(number: Int)
    case unknownKey(number: Int, key: String)
    case missingKey(number: Int, key: String)
    case wrongType(number: Int, key: String)
    case extent(number: Int, value: Double)
    case invalid(name: String, reason: String)
    /// No name contains the text.
    case noMatch(filter: String, names: [String])
  }

  let path: String
  let problem: Problem

  /// A file of cases has some kilobytes; what is far longer is something else.
  static let mostBytes = 1 << 24
}

extension ScalingCasesError: CustomStringConvertible {
  var description: String {
    let keys = ScalingCase.Key.allCases.map(\.rawValue).joined(separator: ", ")
    let expected = "expected a JSON list of cases, e.g. that of cluster/cases/scaling.json"
    let path = printable(path)
    func place(_ number: Int) -> String { "\(path): case \(number + 1)" }
    switch problem {
    case .unusable(.missing): return "\(path): there is no such file; \(expected)"
    case .unusable(.unreadable): return "\(path): cannot be read; \(expected)"
    case .unusable(.notAFile):
      return "\(path): is a folder, a device or a pipe; \(expected)"
    case .unusable(.tooLarge):
      return "\(path): is longer than \(Self.mostBytes) bytes; \(expected)"
    case .notJSON: return "\(path): is not JSON; \(expected)"
    case .notAList: return "\(path): is not a list; \(expected)"
    case .noCases: return "\(path): has no cases; \(expected)"
    case .notAnObject(let number):
      return "\(place(number)) is not an object; expected one with the keys \(keys)"
    case .unknownKey(let number, let key):
      return
        "\(place(number)) has a key '\(printable(key))', which cases do not have; expected some of "
        + keys
    case .missingKey(let number, let key):
      return "\(place(number)): the key '\(key)' is missing"
    case .wrongType(let number, let key):
      let kind = ScalingCase.Key(rawValue: key)?.kind ?? "of another kind"
      return "\(place(number)): the value of '\(key)' is not \(kind)"
    case .extent(let number, let value):
      return "\(place(number)): 'shapes' has an extent of \(value); expected whole numbers from 0 "
        + "on"
    case .invalid(let name, let reason):
      return "\(path): case '\(printable(name))': \(printable(reason, keepsLines: true))"
    case .noMatch(let filter, let names):
      return "\(path): no case has '\(printable(filter))' in its name; there are "
        + names.map { "'\(printable($0))'" }.joined(separator: ", ")
    }
  }
}

extension ScalingCasesError.Problem {
  fileprivate init(_ error: DecodingError) {
    func place(_ path: [any CodingKey]) -> (number: Int?, key: String?) {
      (path.first?.intValue, path.dropFirst().first?.stringValue)
    }
    switch error {
    case .keyNotFound(let key, let context):
      self = .missingKey(number: place(context.codingPath).number ?? 0, key: key.stringValue)
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      switch place(context.codingPath) {
      case (nil, _): self = .notAList
      case (let number?, nil): self = .notAnObject(number: number)
      case (let number?, let key?): self = .wrongType(number: number, key: key)
      }
    default: self = .notJSON
    }
  }
}
