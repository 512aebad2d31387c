#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Makes sure, before there is anything to write, that an output can have this name: that the folders on
/// the way are there, no name is too long, and no link leads where it must not.
///
/// ```swift
/// try requireOutputPlace("results/y.npy")
/// ```
///
/// - Throws: as `writeAtomically` would.
public func requireOutputPlace(_ path: String) throws(FormatError) {
  _ = try OutputPlace(path)
}

/// Where an output goes: an open folder and a name in it. Whatever becomes of the path afterwards, the
/// file is made, and the old one replaced, in this very folder.
///
/// Links on the way are followed one by one, by who made them:
///
/// - the last one, which is the output's own name, if it is this user's or root's; if it is another
///   user's, the file takes the place of the link, and what the link leads to stays as it is;
/// - those to folders always, but as root only if they are root's, or lead to a folder of the user
///   who made them: somebody else's link could make root write anywhere.
struct OutputPlace: ~Copyable, Sendable {
  enum Kind: Equatable {
    /// Nothing, or a link that is not followed.
    case missing
    case file(FilePermissions)
    case folder, device, pipe
  }

  /// As it was given: errors name it.
  let path: String
  let kind: Kind
  let name: String
  private let folder: Int32
  /// What errors say could not be done.
  private let operation: String
  /// The folder as text, links followed.
  private let folderPath: String
  /// Of a device or a pipe: a name of an open file (`/dev/stdout`), which is no link in the sense of
  /// a path.
  private let isOpenFile: Bool

  /// - Parameters:
  ///   - named: what errors name instead of the path.
  ///   - operation: what errors say could not be done.
  init(
    _ path: String, for named: String? = nil, operation: String = "create"
  ) throws(FormatError) {
    self.path = named ?? path
    self.operation = operation
    var walk = try OutputWalk(path, for: self.path, operation: operation)
    let end = try walk.end()
    (kind, name, isOpenFile) = (end.kind, end.name, end.isOpenFile)
    folderPath = walk.folderPath
    folder = walk.takeFolder()
  }

  deinit { close(folder) }

  /// A path by which other processes, too, find a file of this folder.
  func path(of name: String) -> String {
    folderPath.hasSuffix("/") ? folderPath + name : folderPath + "/" + name
  }

  /// A name that nobody uses: a rename is atomic within one file system only.
  func temporaryName() -> String {
    let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
    // Names have at most 255 bytes.
    return "." + name.prefix(60) + "." + suffix + ".partial"
  }

  /// Makes a file that is to take the output's place, with the permissions of the file that is there. Until
  /// it is closed it is one of the `TemporaryFiles`.
  func create(_ temporary: String) throws(FormatError) -> OutputFile {
    guard case .file(let permissions) = kind else {
      return try OutputFile(
        temporary, in: folder, O_CREAT | O_EXCL, path: path, temporaryPath: self.path(of: temporary)
      )
    }
    // Nobody else may read it before it has its owner.
    let file = try OutputFile(
      temporary, in: folder, O_CREAT | O_EXCL, mode: 0o600, path: path,
      temporaryPath: self.path(of: temporary))
    try permissions.give(to: file)
    return file
  }

  /// Opens what is there, and makes nothing.
  func open(_ flags: Int32 = 0) throws(FormatError) -> OutputFile {
    // Not blocking: a pipe that nobody reads would be waited for.
    let flags = flags | O_NOCTTY | O_NONBLOCK | (isOpenFile ? 0 : O_NOFOLLOW)
    let file: OutputFile
    do throws(FormatError) {
      file = try OutputFile(name, in: folder, flags, path: path, operation: operation)
    } catch {
      guard case .system(_, _, ENXIO) = error, kind == .pipe else { throw error }
      throw .unreadPipe(path: path)
    }
    try file.waitWhenWriting()
    return file
  }

  /// Gives a finished file the output's name. A link of that name is replaced, not followed.
  func finish(_ temporary: String) throws(FormatError) {
    guard renameat(folder, temporary, folder, name) == 0 else {
      throw .system(path: path, operation: "rename the finished file to", code: errno)
    }
    try synchronize()
  }

  /// Removes a file of the folder, if it is there.
  func remove(_ name: String) { unlinkat(folder, name, 0) }

  /// Removes what has the output's name, unless it is a folder.
  func remove() { remove(name) }

  /// Returns once the folder's names are on the disk.
  private func synchronize() throws(FormatError) {
    let descriptor = openat(folder, ".", O_RDONLY | O_CLOEXEC)
    // A folder that may be written to but not read.
    if descriptor < 0 && errno == EACCES { return }
    guard descriptor >= 0 else { throw .system(path: path, operation: "open", code: errno) }
    defer { close(descriptor) }
    // Some network file systems cannot synchronize a folder (EINVAL): a rename there is on the
    // server when the call returns.
    guard fsync(descriptor) == 0 || errno == EINVAL else {
      throw .system(path: path, operation: "synchronize", code: errno)
    }
  }
}

/// Makes sure that a folder may be reached for output: no link of another user leads root there. What
/// is missing of the path is not missed.
///
/// ```swift
/// try requireOwnWay(to: "runs/today")
/// ```
///
/// - Throws: `FormatError.foreignLink`.
public func requireOwnWay(to folder: String) throws(FormatError) {
  do throws(FormatError) {
    _ = try OutputPlace(folder + "/-")
  } catch {
    if case .foreignLink(_, let link) = error { throw .foreignLink(path: folder, link: link) }
  }
}

/// Removes an output, links on the way followed as when it is written; a folder, and what cannot be
/// removed, stays.
///
/// ```swift
/// removeOutput("run/checkpoints/step-000000001.safetensors")
/// ```
public func removeOutput(_ path: String) {
  if let place = try? OutputPlace(path) { place.remove() }
}
