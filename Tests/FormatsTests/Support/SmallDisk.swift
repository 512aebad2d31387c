import Foundation

/// A file system in memory, mounted for one test: only root can.
final class SmallDisk {
  enum Kind: String {
    /// 64 KiB in all.
    case tmpfs
    /// Cannot reserve blocks.
    case ramfs
  }

  let path: String
  private let folder: TemporaryFolder

  init?(_ kind: Kind) {
    guard geteuid() == 0, let folder = try? TemporaryFolder(),
      Self.run("mount", "-t", kind.rawValue, "-o", "size=64k", "none", folder.path)
    else { return nil }
    self.folder = folder
    path = folder.path
  }

  deinit { _ = Self.run("umount", "-l", path) }

  static let canMount = SmallDisk(.tmpfs) != nil && SmallDisk(.ramfs) != nil

  var names: [String] { get throws { try folder.names } }

  private static func run(_ arguments: String...) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
