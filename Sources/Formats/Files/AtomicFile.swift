#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Writes a file whole or not at all.
///
/// The bytes go to a hidden file in the folder of `path`, which is synchronized with the disk and
/// then renamed: whoever opens `path`, even after a crash at any moment, finds the old content or
/// the new. If `body` throws, or the disk is full, the hidden file is removed and `path` is as it
/// was. Only a killed process can leave one behind (`.NAME.….partial`), which nothing reads.
///
/// A symbolic link is followed. An existing device or pipe (`/dev/null`) is written directly: there
/// is nothing to keep, and it must not be replaced by a file.
///
/// ```swift
/// try writeAtomically(to: "plan.txt") { (file) throws(FormatError) in
///   try file.write(Array("one\n".utf8))
///   try file.write(Array("two\n".utf8))
/// }
/// ```
public func writeAtomically(
  to path: String, _ body: (borrowing OutputFile) throws(FormatError) -> Void
) throws(FormatError) {
  switch try targetKind(path) {
  case .folder: throw .notAFile(path: path)
  case .device, .pipe: try body(try OutputFile(opening: path, flags: 0, path: path))
  case .file, .missing:
    let target = resolvingLinks(path)
    let temporary = temporaryPath(beside: target)
    do throws(FormatError) {
      let file = try OutputFile(opening: temporary, flags: O_CREAT | O_EXCL, path: path)
      try body(file)
      try file.synchronize()
      try move(temporary, to: target, path: path)
    } catch {
      unlink(temporary)
      throw error
    }
    try synchronize(folder(of: target))
  }
}

/// Writes these bytes whole or not at all.
public func writeAtomically(to path: String, bytes: [UInt8]) throws(FormatError) {
  try writeAtomically(to: path) { (file) throws(FormatError) in try file.write(bytes) }
}

enum TargetKind { case missing, file, folder, device, pipe }

/// What is at `path` now, links followed.
func targetKind(_ path: String) throws(FormatError) -> TargetKind {
  var status = stat()
  guard stat(path, &status) == 0 else {
    guard errno == ENOENT else { throw .system(path: path, operation: "examine", code: errno) }
    return .missing
  }
  switch status.st_mode & S_IFMT {
  case S_IFREG: return .file
  case S_IFDIR: return .folder
  case S_IFIFO, S_IFSOCK: return .pipe
  default: return .device
  }
}

/// The path without links if something is there, else the path as it is.
func resolvingLinks(_ path: String) -> String {
  guard let resolved = realpath(path, nil) else { return path }
  defer { free(resolved) }
  return String(cString: resolved)
}

/// A name that nobody uses in the folder of `path`: a rename is atomic within one file system only.
func temporaryPath(beside path: String) -> String {
  let name = path.split(separator: "/").last ?? "file"
  let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
  // Names have at most 255 bytes.
  return folder(of: path) + "/." + name.prefix(60) + "." + suffix + ".partial"
}

/// The folder that holds `path`, which may end in slashes.
func folder(of path: String) -> String {
  let parts = path.split(separator: "/").dropLast()
  let root = path.hasPrefix("/") ? "/" : parts.isEmpty ? "." : ""
  return root + parts.joined(separator: "/")
}

func move(_ source: String, to target: String, path: String) throws(FormatError) {
  guard rename(source, target) == 0 else {
    throw .system(path: path, operation: "rename the finished file to", code: errno)
  }
}
