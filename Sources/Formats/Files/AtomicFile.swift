/// Writes a file whole or not at all.
///
/// The bytes go to a hidden file in the folder of `path`, which is synchronized with the disk and
/// then renamed: whoever opens `path`, even after a crash at any moment, finds the old content or
/// the new. If `body` throws, or the disk is full, the hidden file is removed and `path` is as it
/// was. Only a killed process can leave one behind (`.NAME.….partial`), which nothing reads.
///
/// A file that is replaced leaves its mode to the new one and, where this process may give files
/// away, its owner and group. A symbolic link is followed if this user or root made it; one of
/// another user is replaced. An existing device or pipe (`/dev/null`) is written directly: there is
/// nothing to keep, and it must not be replaced by a file.
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
  let place = try OutputPlace(path)
  switch place.kind {
  case .folder: throw .notAFile(path: path)
  case .device, .pipe: try body(try place.open())
  case .file, .missing:
    let temporary = place.temporaryName()
    do throws(FormatError) {
      let file = try place.create(temporary)
      try body(file)
      try file.synchronize()
      try place.finish(temporary)
    } catch {
      place.remove(temporary)
      throw error
    }
  }
}

/// Writes these bytes whole or not at all.
public func writeAtomically(to path: String, bytes: [UInt8]) throws(FormatError) {
  try writeAtomically(to: path) { (file) throws(FormatError) in try file.write(bytes) }
}
