import Convoy
import Foundation

/// A trace for chrome://tracing or ui.perfetto.dev: one row per rank (Trace Event Format, "complete"
/// events; times in microseconds).
enum ChromeTrace {
  private struct Event: Encodable {
    let name: String
    let cat: String
    let ph: String
    let ts: Double
    let dur: Double
    let pid: Int
    let tid: Int
  }

  /// One rank's events, separated by commas.
  static func events(_ timeline: RunTimeline, rank: Int) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try timeline.events.map { event in
      let event = Event(
        name: event.name, cat: event.kind.rawValue, ph: "X", ts: event.start * 1e6,
        dur: event.duration * 1e6, pid: 0, tid: rank)
      return String(decoding: try encoder.encode(event), as: UTF8.self)
    }.joined(separator: ",\n")
  }

  /// The file, from the ranks' events.
  static func file(_ rows: [String]) -> String {
    let names = rows.indices.map {
      #"{"name":"thread_name","ph":"M","pid":0,"tid":\#($0),"args":{"name":"rank \#($0)"}}"#
    }
    return #"{"traceEvents":["# + "\n"
      + (names + rows.filter { !$0.isEmpty }).joined(separator: ",\n")
      + "\n]}\n"
  }
}
