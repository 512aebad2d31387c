import Collectives
import Formats
import Foundation

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Keeps a run folder to one run: an advisory lock on the file `lock` in it, which says who holds it.
///
/// The system gives the lock up when the process ends, however it does; the file alone, as a killed run leaves it, stops nobody.
/// Locks of this kind are known to all hosts of NFS, Lustre and GPFS; where a file system has none, a run goes on
/// without.
///
/// ```swift
/// let lock = try RunLock(folder: "runs/cp")   // until it is released
/// ```
final class RunLock: Sendable {
  private let path: String
  private let descriptor: Int32
  /// It goes when a signal ends the process, too.
  private let registration: TemporaryFiles.Registration?

  static let name = "lock"

  /// - Throws: `TrainingError.folderInUse` if another process holds it; `.outputUnwritable`.
  init(folder: String) throws(TrainingError) {
    path = "\(folder)/\(Self.name)"
    var opened: Int32 = -1
    // Who held it may remove the file after it was opened here: then the next one counts.
    for _ in 0..<100 {
      opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
      guard opened >= 0 else { throw .outputUnwritable(path: folder, code: errno) }
      guard Self.lock(opened) else {
        let holder = Self.holder(opened)
        close(opened)
        throw .folderInUse(path: folder, holder: holder)
      }
      if Self.isFile(opened, at: path) { break }
      close(opened)
      opened = -1
    }
    guard opened >= 0 else { throw .outputUnwritable(path: folder, code: EEXIST) }
    descriptor = opened
    registration = TemporaryFiles.register(path)
    let text = Array("\(Launch.hostName) \(getpid())\n".utf8)
    _ = ftruncate(descriptor, 0)
    _ = pwrite(descriptor, text, text.count, 0)
  }

  deinit {
    unlink(path)
    TemporaryFiles.unregister(registration)
    close(descriptor)
  }

  /// - Returns: `false` where another holds the lock; where there are none, it is not held, and that must do.
  private static func lock(_ descriptor: Int32) -> Bool {
    var whole = flock()
    whole.l_type = Int16(F_WRLCK)
    whole.l_whence = Int16(SEEK_SET)
    return fcntl(descriptor, setLock, &whole) == 0 || errno != EACCES && errno != EAGAIN
  }

  /// Whether it is the file at this path, and that alone: another's file may be linked to there.
  private static func isFile(_ descriptor: Int32, at path: String) -> Bool {
    var (own, found) = (stat(), stat())
    return fstat(descriptor, &own) == 0 && stat(path, &found) == 0 && own.st_ino == found.st_ino
      && own.st_mode & S_IFMT == S_IFREG && own.st_nlink == 1
  }

  // Of the open file and not of the process, which may have several runs.
  #if canImport(Darwin)
    private static let setLock = F_SETLK
  #else
    /// F_OFD_SETLK of Linux's <fcntl.h>, which stands behind `_GNU_SOURCE`.
    private static let setLock: Int32 = 37
  #endif

  /// "host pid", as the holder wrote it.
  private static func holder(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 300)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
