#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// The control groups that this process is in, which may allow it less memory than the machine has.
///
/// Groups are nested, as Slurm's job, step and task are or a container in its pod, and each level has
/// a limit of its own: what counts is the least of the process's own group and all above it, of
/// version 2 (`memory.max`) and of version 1 (`memory.limit_in_bytes`). Where a group lies among the
/// files is told by `/proc/self/cgroup`, and where these begin by `/proc/self/mountinfo`: in a
/// container they often begin at the container's own group.
///
/// ```swift
/// let groups = ControlGroups(cgroup: "0::/job/step\n", mountInfo: mounts) { path in files[path] }
/// groups.memoryLimit   // the least of memory.max in …/job/step, …/job and …
/// ```
struct ControlGroups {
  /// The folders of the groups, from the process's own upwards, with the name of the file that holds
  /// the limit.
  let limitFiles: [String]
  private let read: (String) -> String?

  /// - Parameters:
  ///   - cgroup: what `/proc/self/cgroup` holds: lines of `number:controllers:path`.
  ///   - mountInfo: what `/proc/self/mountinfo` holds (proc(5)).
  ///   - read: the text of a file; `nil` if it cannot be read.
  init(cgroup: String, mountInfo: String, read: @escaping (String) -> String?) {
    self.read = read
    let mounts = mountInfo.split(separator: "\n").compactMap { Mount($0) }
    limitFiles = cgroup.split(separator: "\n").flatMap { line -> [String] in
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return [] }
      let controllers = fields[1].split(separator: ",")
      let isUnified = fields[1].isEmpty
      guard isUnified || controllers.contains("memory") else { return [] }
      let name = isUnified ? "memory.max" : "memory.limit_in_bytes"
      return mounts.filter { $0.isUnified == isUnified && (isUnified || $0.hasMemory) }
        .flatMap { $0.folders(of: String(fields[2])) }.map { "\($0)/\(name)" }
    }
  }

  /// Of this process.
  static var current: ControlGroups {
    ControlGroups(
      cgroup: text(of: "/proc/self/cgroup") ?? "",
      mountInfo: text(of: "/proc/self/mountinfo") ?? "", read: text)
  }

  /// Bytes; `nil` where no group has a limit. ("max", for no limit, is no number.)
  var memoryLimit: Int? {
    limitFiles.compactMap { file in
      read(file).flatMap { text in
        Int(text.prefix { !$0.isWhitespace }).flatMap { $0 > 0 ? $0 : nil }
      }
    }.min()
  }

  /// A line of `/proc/self/mountinfo`: `id parent device root place options … - type source options`.
  private struct Mount {
    let root: String
    let place: String
    let isUnified: Bool
    let hasMemory: Bool

    init?(_ line: Substring) {
      let fields = line.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else {
        return nil
      }
      let type = fields[dash + 1]
      guard type == "cgroup" || type == "cgroup2" else { return nil }
      isUnified = type == "cgroup2"
      hasMemory = fields[dash + 3].split(separator: ",").contains("memory")
      root = Self.unescaped(fields[3])
      place = Self.unescaped(fields[4])
    }

    /// The folder of a group and of those above it, as far as they are mounted here.
    func folders(of group: String) -> [String] {
      let parts = group.split(separator: "/")
      let rootParts = root.split(separator: "/")
      // A group that is not below what is mounted is seen as its beginning.
      let isInside = parts.starts(with: rootParts) && !parts.contains("..")
      let below = isInside ? parts.dropFirst(rootParts.count) : []
      return (0...below.count).reversed().map { count in
        ([Substring(place)] + below.prefix(count)).joined(separator: "/")
      }
    }

    /// Spaces and the like are written as a backslash and three octal digits.
    private static func unescaped(_ text: Substring) -> String {
      var bytes: [UInt8] = []
      var rest = Array(text.utf8)[...]
      while let byte = rest.popFirst() {
        let digits = rest.prefix(3)
        if byte == UInt8(ascii: "\\"), digits.count == 3,
          let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
        {
          bytes.append(code)
          rest = rest.dropFirst(3)
        } else {
          bytes.append(byte)
        }
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  private static func text(of path: String) -> String? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      guard count > 0 else { break }
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
