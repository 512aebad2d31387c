import Foundation

/// Makes sure, before any work, that a file can be written at this path: a result that cannot be
/// written should not be computed first.
///
/// - Throws: `CommandError.emptyOutput`, `.outputIsFolder` or `.outputFolder`.
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
}
