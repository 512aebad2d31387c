import Foundation

/// A trace for chrome://tracing or ui.perfetto.dev (Trace Event Format, "complete" events; times in
/// microseconds).
enum ChromeTrace {
  /// How a rank appears.
  enum Rank: String {
    /// As one row.
    case thread
    /// With a row for each of its lanes.
    case process
  }

  struct Event {
    let name: String
    let category: String
    /// Seconds.
    let start: Double
    let duration: Double
    /// Which of a rank's threads; 0 where a rank is one row.
    var lane = 0
    /// The layer of a network.
    var layer: String?
  }

  private struct Written: Encodable {
    struct Arguments: Encodable { let layer: String }

    let name: String
    let cat: String
    let ph: String
    let ts: Double
    let dur: Double
    let pid: Int
    let tid: Int
    let args: Arguments?
  }

  /// One rank's events, separated by commas.
  static func text(_ events: [Event], rank: Int, as kind: Rank) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try events.map { event in
      let written = Written(
        name: event.name, cat: event.category, ph: "X", ts: event.start * 1e6,
        dur: event.duration * 1e6, pid: kind == .process ? rank : 0,
        tid: kind == .process ? event.lane : rank,
        args: event.layer.map(Written.Arguments.init))
      return String(decoding: try encoder.encode(written), as: UTF8.self)
    }.joined(separator: ",\n")
  }

  /// The file, from the ranks' events.
  static func file(_ rows: [String], as kind: Rank) -> String {
    let names = rows.indices.map { rank in
      let place =
        kind == .process ? #""pid":\#(rank)"# : #""pid":0,"tid":\#(rank)"#
      return #"{"name":"\#(kind.rawValue)_name","ph":"M",\#(place),"#
        + #""args":{"name":"rank \#(rank)"}}"#
    }
    return #"{"traceEvents":["# + "\n"
      + (names + rows.filter { !$0.isEmpty }).joined(separator: ",\n")
      + "\n]}\n"
  }
}
