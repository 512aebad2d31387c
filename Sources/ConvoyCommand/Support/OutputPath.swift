import Formats
import Foundation

/// Makes sure, before any work, that a file can be written at this path: a result that cannot be
/// written should not be computed first.
///
/// - Throws: `CommandError.emptyOutput`, `.outputIsFolder` or `.outputFolder`; `FormatError`.
func requireWritable(_ path: String) throws {
  guard !path.isEmpty else { throw CommandError.emptyOutput }
  func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
  }
  let file = URL(fileURLWithPath: path).standardized
  if isFolder(file.path) { throw CommandError.outputIsFolder(path: path) }
  // A file that exists may be a device, which needs no room in its folder.
  if FileManager.default.isWritableFile(atPath: file.path) { return }
  let folder = file.deletingLastPathComponent().path
  guard isFolder(folder) && FileManager.default.isWritableFile(atPath: folder) else {
    throw CommandError.outputFolder(path: folder, isFolder: isFolder(folder))
  }
  try requireOutputPlace(path)
}

/// A file that is read or written, with what it is for in messages: `--report`, `operand 0`.
struct NamedFile {
  let role: String
  let path: String
}

/// Makes sure, before any work, that no output replaces an input or another output. Files are compared, not names: links
/// and ways round are seen through. Devices may stand several times.
///
/// - Throws: `CommandError.emptyOutput`, `.outputReplaces`, and what `requireWritable` throws.
func requireOutputs(_ outputs: [NamedFile], apartFrom inputs: [NamedFile]) throws {
  guard !outputs.contains(where: { $0.path.isEmpty }) else { throw CommandError.emptyOutput }
  var others = inputs.compactMap { file in FileIdentity(file.path).map { (file, $0) } }
  for output in outputs {
    guard let identity = FileIdentity(output.path) else { continue }
    if let (other, _) = others.first(where: { $0.1 == identity }) {
      throw CommandError.outputReplaces(
        option: output.role, path: output.path, other: "\(other.role), \(other.path)")
    }
    others.append((output, identity))
  }
  for output in outputs { try requireWritable(output.path) }
}

/// Which file a path leads to, whether it is there or yet to be made.
private struct FileIdentity: Equatable {
  private let device: UInt64
  private let file: UInt64
  /// Of a file that is not there: its name in the folder that `file` is.
  private let name: String?

  /// `nil` for a device or a pipe, and where a folder on the way is missing.
  init?(_ path: String) {
    var status = stat()
    if stat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFREG else { return nil }
      (device, file, name) = (UInt64(status.st_dev), UInt64(status.st_ino), nil)
      return
    }
    var path = path
    // A link to nowhere: the file will be made where it leads.
    for _ in 0..<40 {
      guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else {
        break
      }
      path = target.hasPrefix("/") ? target : Self.folder(of: path) + "/" + target
    }
    guard stat(Self.folder(of: path), &status) == 0 else { return nil }
    (device, file) = (UInt64(status.st_dev), UInt64(status.st_ino))
    name = path.split(separator: "/").last.map(String.init)
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

/// Refuses the names of other kinds of pictures and documents, which viewers would take at their word.
///
/// - Throws: `CommandError.notSVG`.
func requireSVGName(_ path: String) throws {
  let others = [
    "png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "ico", "pdf", "ps", "eps", "html",
    "dot",
  ]
  if others.contains(URL(fileURLWithPath: path).pathExtension.lowercased()) {
    throw CommandError.notSVG(path: path)
  }
}

/// The path with the ending of SVG instead of its own.
func svgName(_ path: String) -> String {
  guard let dot = path.lastIndex(of: ".") else { return path + ".svg" }
  return path[..<dot] + ".svg"
}
