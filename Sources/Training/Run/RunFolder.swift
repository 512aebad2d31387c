import Formats
import Foundation

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// The files of one run. Only rank 0 writes them.
///
///     configuration.yaml     all keys that matter, with their values
///     metrics.jsonl          one line per step and per epoch
///     plot.svg               loss and accuracy
///     checkpoints/step-….safetensors
///     weights.safetensors    at the end
///     lock                   while a process has the run (`RunLock`)
struct RunFolder: Hashable, Sendable {
  let path: String

  var configuration: String { path + "/configuration.yaml" }
  var metrics: String { path + "/metrics.jsonl" }
  var plot: String { path + "/plot.svg" }
  var weights: String { path + "/weights.safetensors" }
  var checkpoints: String { path + "/checkpoints" }

  init(path: String) {
    var path = path[...]
    while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
    self.path = String(path)
  }

  /// Makes the folder of a new run, which must be new or empty, with its parents.
  ///
  /// - Returns: the folders that were made, the innermost last (see `remove`), and the lock on the folder.
  /// - Throws: `TrainingError.outputHoldsFiles`, `.outputUnwritable`, `.folderInUse`; `FormatError.foreignLink`.
  func create() throws -> (made: [String], lock: RunLock) {
    try requireOwnWay(to: path)
    let made = try makeFolders(path)
    let lock = try RunLock(folder: path)
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw TrainingError.outputUnwritable(path: path, code: EACCES)
    }
    guard names == [RunLock.name] else {
      throw TrainingError.outputHoldsFiles(path: path, holdsRun: isRun)
    }
    try checkWritable()
    return (made, lock)
  }

  /// Checks that there is a run to be resumed, locks it, and removes what a crash left half-written.
  ///
  /// An empty folder counts: the run in it was killed before it wrote anything.
  ///
  /// - Throws: `TrainingError.nothingToResume`, `.outputUnwritable`, `.folderInUse`; `FormatError.foreignLink`.
  func open() throws -> RunLock {
    try requireOwnWay(to: path)
    try requireOwnWay(to: checkpoints)
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      let exists = FileManager.default.fileExists(atPath: path)
      throw TrainingError.nothingToResume(path: path, exists: exists)
    }
    try checkWritable()
    guard holdsRun(names) else {
      throw TrainingError.nothingToResume(path: path, exists: true)
    }
    // Before anything is removed: what a live run is about to rename is half-written too.
    let lock = try RunLock(folder: path)
    let inner = (try? FileManager.default.contentsOfDirectory(atPath: checkpoints)) ?? []
    for leftover in names.filter(Self.isLeftover).map({ "\(path)/\($0)" })
      + inner.filter(Self.isLeftover).map({ "\(checkpoints)/\($0)" })
    {
      removeOutput(leftover)
    }
    return lock
  }

  /// Whether `open` would find a run, be it one that was killed before it wrote anything.
  var isResumable: Bool {
    (try? FileManager.default.contentsOfDirectory(atPath: path)).map(holdsRun) ?? false
  }

  private func holdsRun(_ names: [String]) -> Bool {
    isRun || names.allSatisfy { Self.isLeftover($0) || $0 == RunLock.name }
  }

  /// Half-written files have hidden names that only `writeAtomically` makes.
  private static func isLeftover(_ name: String) -> Bool {
    name.hasPrefix(".") && name.hasSuffix(".partial")
  }

  /// Undoes `create` for a run that could not start.
  static func remove(_ made: [String]) {
    for folder in made.reversed() { rmdir(folder) }
  }

  func checkpoint(step: Int) -> String {
    let digits = String(step)
    let zeros = String(repeating: "0", count: max(0, 9 - digits.count))
    return "\(checkpoints)/step-\(zeros)\(digits).safetensors"
  }

  /// The steps of the whole checkpoints, in order.
  var checkpointSteps: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: checkpoints)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("step-"), name.hasSuffix(".safetensors") else { return nil }
      return Int(name.dropFirst("step-".count).dropLast(".safetensors".count))
    }.sorted()
  }

  /// - Throws: `TrainingError.differentRun`, unless the run in this folder can go on as configured.
  func requireSameRun(
    _ configuration: TrainingConfiguration, as saved: TrainingConfiguration
  ) throws {
    let differences = configuration.differences(from: saved)
    guard differences.isEmpty else {
      throw TrainingError.differentRun(path: path, differences: differences)
    }
  }

  func makeCheckpointsFolder() throws {
    try requireOwnWay(to: checkpoints)
    _ = try makeFolders(checkpoints)
  }

  private var isRun: Bool { FileManager.default.fileExists(atPath: configuration) }

  private func checkWritable() throws {
    guard access(path, W_OK | X_OK) == 0 else {
      throw TrainingError.outputUnwritable(path: path, code: errno)
    }
  }

  private func makeFolders(_ folder: String) throws -> [String] {
    var made: [String] = []
    var current = folder.hasPrefix("/") ? "" : "."
    for part in folder.split(separator: "/") {
      current += "/" + part
      if mkdir(current, 0o777) == 0 {
        made.append(current)
        continue
      }
      // On a read-only file system, a folder that exists may give another code than EEXIST.
      let code = errno
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: current, isDirectory: &isFolder) else {
        Self.remove(made)
        throw TrainingError.outputUnwritable(path: path, code: code)
      }
      guard isFolder.boolValue else {
        Self.remove(made)
        throw TrainingError.outputUnwritable(path: path, code: ENOTDIR)
      }
    }
    return made
  }
}

/// Writes text whole or not at all.
func writeText(_ text: String, to path: String) throws {
  try writeAtomically(to: path, bytes: Array(text.utf8))
}
