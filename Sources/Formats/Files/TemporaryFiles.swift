import CSignals

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Files that this process has begun and not finished. They are removed when the job ends before
/// they are done: by a signal, where signals are handled (`EndingSignals`), or by
/// `Communicator.abort`.
///
/// What `writeAtomically` and `SharedNpyFile` make is registered. Others may register what they know
/// of:
///
/// ```swift
/// let file = TemporaryFiles.register(path + ".partial")
/// …
/// rename(path + ".partial", path)
/// TemporaryFiles.unregister(file)
/// ```
public enum TemporaryFiles {
  /// One registered file; only good to unregister it.
  public struct Registration: Sendable {
    fileprivate let place: Int32
  }

  /// As many files can be registered at once.
  public static let most = CONVOY_SIGNALS_PATHS

  /// Registers a file, which need not exist yet. Nil if `most` files are registered already, or the
  /// path takes more than 4095 bytes: then the file is left behind by a process that is ended.
  public static func register(_ path: String) -> Registration? {
    let place = convoy_signals_register(path.hasPrefix("/") ? path : currentFolder + "/" + path)
    return place < 0 ? nil : Registration(place: place)
  }

  /// The process may be in another folder when it ends.
  private static var currentFolder: String {
    guard let folder = getcwd(nil, 0) else { return "." }
    defer { free(folder) }
    return String(cString: folder)
  }

  /// The file is done, or gone. Once only: its place may have a new owner.
  public static func unregister(_ file: Registration?) {
    if let file { convoy_signals_unregister(file.place) }
  }

  /// Removes the registered files now, and forgets them; where there is none, nothing.
  public static func removeAll() {
    convoy_signals_remove_files()
  }
}
