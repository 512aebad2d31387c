#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Whose a file is and who may read and write it: what a file that replaces it keeps.
struct FilePermissions: Equatable {
  private let owner: uid_t
  private let group: gid_t
  private let mode: mode_t

  init(_ status: stat) {
    (owner, group) = (status.st_uid, status.st_gid)
    mode = status.st_mode & 0o777
  }

  /// Owner and group as far as this process may give files away. Where it may not, the group gets no
  /// more than everybody: it is another group. A file system without permissions keeps its own.
  func give(to file: borrowing OutputFile) throws(FormatError) {
    var status = stat()
    guard fstat(file.descriptor, &status) == 0 else {
      throw .system(path: file.path, operation: "examine", code: errno)
    }
    var mode = mode
    if status.st_uid != owner || status.st_gid != group {
      if fchown(file.descriptor, owner, group) != 0,
        status.st_gid != group, fchown(file.descriptor, uid_t.max, group) != 0
      {
        mode = mode & ~0o070 | (mode & 0o007) << 3 & mode
      }
    }
    fchmod(file.descriptor, mode)
  }
}
