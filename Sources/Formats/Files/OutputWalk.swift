#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// The way from the root, or the working folder, to an output: see `OutputPlace`.
///
/// Every folder is opened from the one before it and no link is followed by the system, so that
/// nobody can put another link there after it was looked at.
struct OutputWalk: ~Copyable {
  struct End {
    let kind: OutputPlace.Kind
    let name: String
    var isOpenFile = false
  }

  /// For errors.
  private let path: String
  private let operation: String
  private var folder: Int32
  private(set) var folderPath: String
  /// What is left of the way, the next one last.
  private var names: [String]
  /// The links that were followed so far: beyond 40, as for the system, they go round in circles.
  private var links = 0
  /// Root only: the maker of a link on the way, to whom the folder in the end must belong.
  private var foreign: (link: String, owner: uid_t)?

  init(_ path: String, for named: String, operation: String) throws(FormatError) {
    let start = path.hasPrefix("/") ? "/" : "."
    let folder = path.isEmpty ? -1 : Self.open(start, in: AT_FDCWD)
    let code = path.isEmpty ? ENOENT : errno
    self.path = named
    self.operation = operation
    self.folder = folder
    folderPath = start
    names = Self.names(of: path)
    guard folder >= 0 else { throw failure(code) }
  }

  deinit { if folder >= 0 { close(folder) } }

  /// The descriptor, for its new owner.
  mutating func takeFolder() -> Int32 {
    defer { folder = -1 }
    return folder
  }

  /// Goes all the way.
  mutating func end() throws(FormatError) -> End {
    while let name = names.popLast() {
      let isLast = names.isEmpty
      guard let status = try status(of: name) else {
        let end = try checked(End(kind: .missing, name: name))
        guard isLast else { throw failure(ENOENT) }
        return end
      }
      if status.st_mode & S_IFMT == S_IFLNK {
        if isLast, let end = try endAtOpenFile(name) { return end }
        guard try follow(name, status, isLast: isLast) else {
          return try checked(End(kind: .missing, name: name))
        }
      } else if isLast {
        return try checked(End(kind: Self.kind(status), name: name))
      } else {
        try enter(Self.open(name, in: folder))
        folderPath += (folderPath.hasSuffix("/") ? "" : "/") + name
      }
    }
    return End(kind: .folder, name: ".")
  }

  /// Puts what a link says in its place; false where the file is to replace the link.
  private mutating func follow(
    _ name: String, _ link: stat, isLast: Bool
  ) throws(FormatError) -> Bool {
    if link.st_uid != 0 && link.st_uid != geteuid() {
      if isLast { return false }
      if geteuid() == 0 {
        if let foreign, foreign.owner != link.st_uid {
          throw .foreignLink(path: path, link: foreign.link)
        }
        foreign = (folderPath + "/" + name, link.st_uid)
      }
    }
    links += 1
    guard links <= 40 else { throw failure(ELOOP) }
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlinkat(folder, name, &bytes, bytes.count)
    guard count > 0 else { throw failure(errno) }
    let text = String(decoding: bytes[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    // It is the link that was looked at: what a link says cannot be changed.
    let now = try status(of: name)
    guard let now, now.st_ino == link.st_ino, now.st_dev == link.st_dev,
      now.st_uid == link.st_uid
    else { throw failure(EAGAIN) }
    names += Self.names(of: text)
    if text.hasPrefix("/") {
      try enter(Self.open("/", in: AT_FDCWD))
      folderPath = "/"
    }
    return true
  }

  /// `/proc/self/fd/1`, where `/dev/stdout` leads: an open device or pipe, of which the link's text is
  /// no path.
  private func endAtOpenFile(_ name: String) throws(FormatError) -> End? {
    var processes = stat()
    var here = stat()
    var status = stat()
    guard stat("/proc/self/fd", &processes) == 0, fstat(folder, &here) == 0,
      here.st_dev == processes.st_dev, fstatat(folder, name, &status, 0) == 0
    else { return nil }
    let kind = Self.kind(status)
    guard kind == .device || kind == .pipe else { return nil }
    return try checked(End(kind: kind, name: name, isOpenFile: true))
  }

  private func checked(_ end: End) throws(FormatError) -> End {
    guard let foreign else { return end }
    var status = stat()
    guard fstat(folder, &status) == 0 else { throw failure(errno) }
    guard status.st_uid == foreign.owner else {
      throw .foreignLink(path: path, link: foreign.link)
    }
    return end
  }

  private func status(of name: String) throws(FormatError) -> stat? {
    var status = stat()
    guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      guard errno == ENOENT else { throw failure(errno) }
      return nil
    }
    return status
  }

  private func failure(_ code: Int32) -> FormatError {
    .system(path: path, operation: operation, code: code)
  }

  private static func kind(_ status: stat) -> OutputPlace.Kind {
    switch status.st_mode & S_IFMT {
    case S_IFREG: .file(FilePermissions(status))
    case S_IFDIR: .folder
    case S_IFIFO, S_IFSOCK: .pipe
    default: .device
    }
  }

  /// The names of a path, the last first; "." for a slash at its end, behind which a folder must be.
  private static func names(of path: String) -> [String] {
    let names = path.split(separator: "/").map(String.init)
    return (path.hasSuffix("/") ? ["."] : []) + names.reversed()
  }

  /// Goes on from a folder that was opened, or not.
  private mutating func enter(_ next: Int32) throws(FormatError) {
    guard next >= 0 else { throw failure(errno) }
    close(folder)
    folder = next
  }

  private static func open(_ name: String, in folder: Int32) -> Int32 {
    let flags = O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
    var descriptor = openat(folder, name, O_RDONLY | flags)
    #if !canImport(Darwin)
      // Files of a folder can be reached that may not itself be read.
      let searchOnly: Int32 = 0o10_000_000  // O_PATH, which is not imported
      if descriptor < 0 && errno == EACCES {
        descriptor = openat(folder, name, searchOnly | flags)
      }
    #endif
    return descriptor
  }
}
