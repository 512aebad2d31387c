import Foundation

/// Writes a whole folder, with all the files in it, or nothing.
///
/// `body` fills a hidden folder beside `path`, whose path it is given; its files are then
/// synchronized with the disk and it is renamed to `path`. If `body` throws, the hidden folder is
/// removed and `path` is as it was.
///
/// A folder that was at `path` before is replaced. Since no call replaces a folder that holds files,
/// it is first renamed to `path.previous`, and removed last. So at every moment one of the two names
/// is a whole folder: `wholeFolder(at:)` says which.
///
/// ```swift
/// try writeFolderAtomically(to: "run/checkpoint") { folder in
///   try weights.write(to: folder + "/weights.safetensors")
///   try writeAtomically(to: folder + "/step.txt", bytes: Array("100\n".utf8))
/// }
/// ```
/// - Throws: what `body` throws, or `FormatError`.
public func writeFolderAtomically(
  to path: String, _ body: (_ folder: String) throws -> Void
) throws {
  let kind = try targetKind(path)
  guard kind == .missing || kind == .folder else {
    throw FormatError.system(path: path, operation: "replace by a folder", code: ENOTDIR)
  }
  let target = resolvingLinks(path)
  let temporary = temporaryPath(beside: target)
  do {
    guard mkdir(temporary, 0o777) == 0 else {
      throw FormatError.system(path: path, operation: "create", code: errno)
    }
    try body(temporary)
    try synchronizeTree(temporary)
    if kind == .folder {
      try removeTree(previousPath(target))
      try move(target, to: previousPath(target), path: path)
    }
    do {
      try move(temporary, to: target, path: path)
    } catch {
      if kind == .folder { try? move(previousPath(target), to: target, path: path) }
      throw error
    }
  } catch {
    // The first failure is the one to report; a leftover that cannot be removed changes nothing.
    try? removeTree(temporary)
    throw error
  }
  try synchronize(folder(of: target))
  try removeTree(previousPath(target))
}

/// The folder last written whole by `writeFolderAtomically(to: path)`, also if a crash interrupted a
/// later write: `path`, or `path.previous`, or nil if there is neither.
public func wholeFolder(at path: String) -> String? {
  [path, previousPath(path)].first { (try? targetKind($0)) == .folder }
}

private func previousPath(_ path: String) -> String {
  var trimmed = path[...]
  while trimmed.count > 1 && trimmed.hasSuffix("/") { trimmed.removeLast() }
  return trimmed + ".previous"
}

private func synchronizeTree(_ path: String) throws {
  for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
    try synchronize(path + "/" + name)
  }
  try synchronize(path)
}

private func removeTree(_ path: String) throws(FormatError) {
  guard try targetKind(path) != .missing else { return }
  do {
    try FileManager.default.removeItem(atPath: path)
  } catch {
    throw .system(path: path, operation: "remove", code: errno)
  }
}
