import Formats

/// What a path on the command line is read with: see `withHomeFolder`.
@Sendable func expandedPath(_ text: String) -> String { withHomeFolder(text) }
