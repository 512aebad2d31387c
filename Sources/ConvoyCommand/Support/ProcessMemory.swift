import Foundation

/// The memory of this process, as the system counts it.
enum ProcessMemory {
  /// The most bytes that it ever held, code and libraries too. What the kernel counts of its usage includes the
  /// process that started it, which it was a copy of for a moment; its status does not.
  static var highWaterBytes: Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    if let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({
      Int($0)
    }) {
      return kibibytes * 1024
    }
    var usage = rusage()
    // Linux counts in KiB.
    return getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 ? usage.ru_maxrss * 1024 : 0
  }
}
