import Logging

/// What the library logs, as lines on standard error in the style of all others: `convoy: warning: …`.
struct NoteLogHandler: LogHandler {
  var metadataProvider: Logger.MetadataProvider?
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    note("convoy: \(Self.kind(event.level)): \(event.message)")
  }

  private static func kind(_ level: Logger.Level) -> String {
    switch level {
    case .error, .critical: "error"
    case .warning: "warning"
    case .trace, .debug, .info, .notice: "note"
    }
  }
}

extension Logger {
  static let notes = Logger(label: "convoy") { _ in NoteLogHandler() }
}
