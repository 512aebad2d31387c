/// Why a training run could not start or go on: one value for every failure of configuration, data
/// and the loop. Networks and files have their own, `NetworkError` and `FormatError`.
///
/// ```swift
/// do {
///   _ = try TrainingConfiguration(file: "run.yaml", overrides: ["training.epoch=3"])
/// } catch {
///   print(error)  // --set: there is no key 'training.epoch'; did you mean 'training.epochs'?
/// }
/// ```
public enum TrainingError: Error, Hashable, Sendable {
  public enum Unreadable: Hashable, Sendable { case missing, denied, notText }

  /// What is wrong with a file of metrics.
  public enum MetricsProblem: Hashable, Sendable {
    case noRecord
    case wrongStep(found: Int, expected: Int)
    case wrongEpoch(found: Int, expected: Int)
    case ends(step: Int, epoch: Int, expectedStep: Int, expectedEpoch: Int)
  }

  /// One key whose value is not what a saved run has.
  public struct Difference: Hashable, Sendable {
    public var key: String
    public var saved: String
    public var requested: String
  }

  // Configuration. `source` is `file:line`, or `--set`.
  case unreadableConfiguration(file: String, reason: Unreadable)
  /// No YAML, or no mapping; `reason` is for people.
  case malformedConfiguration(source: String, reason: String)
  case malformedOverride(String)
  case unknownKey(key: String, nearest: String, source: String)
  case invalidValue(key: String, value: String, expected: String, source: String)
  /// A layer, or another mapping in a value, has not a setting that it needs.
  case missingSetting(key: String, expected: String, source: String)
  /// No layer has this name.
  case unknownLayer(layer: String, nearest: String, key: String, source: String)
  /// A section was given a value.
  case notASection(section: String, value: String, source: String, keys: [String])

  // Data.
  /// A file of a data set is in its folder neither plain nor with `.gz`.
  case missingData(folder: String, file: String, isFashionMNIST: Bool)
  case missingDataPath
  case noImages(file: String, shape: [Int])
  /// Neither images × height × width nor images × height × width × channels.
  case imageExtents(file: String, shape: [Int])
  case imageCount(images: String, imageCount: Int, labels: String, labelCount: Int)
  case extentsDiffer(training: String, trainingExtents: [Int], test: String, testExtents: [Int])
  case tooFewClasses(file: String, classes: Int)
  case syntheticTooLarge(samples: Int, shape: [Int])

  /// With `training.dropLast` nothing is left of an epoch.
  case noWholeBatch(batchSize: Int, samples: Int)
  /// The batch statistics of a layer would be over fewer than two values per channel, in every batch or in the last one
  /// of an epoch.
  case batchTooSmall(
    layer: String, values: Int, batch: Int, isLast: Bool, batchSize: Int, samples: Int)

  // The run folder.
  case outputHoldsFiles(path: String, holdsRun: Bool)
  /// `code` is the `errno` of what failed.
  case outputUnwritable(path: String, code: Int32)
  /// Another process has a run in it; `holder` is its host and its number, as it says.
  case folderInUse(path: String, holder: String)
  case nothingToResume(path: String, exists: Bool)
  case differentRun(path: String, differences: [Difference])
  case checkpointOfOtherRun(path: String, problem: String)
  /// Its contents are not those that its checksum is of.
  case checkpointDamaged(path: String)

  /// The history of a run that is to be resumed has a hole; `line` from 1.
  case metricsDamaged(path: String, line: Int?, problem: MetricsProblem)

  /// No way to share the work keeps within `training.memory`; bytes per rank.
  case notEnoughMemory(needed: Int, memory: Int, ranks: Int)
  /// What a pass holds in any case is more than a rank's share of the machine's memory; bytes.
  case notEnoughHostMemory(pass: String, needed: Int, available: Int, sharing: Int)

  // The loop. Steps and epochs are counted from 1.
  case nonFiniteLoss(step: Int, epoch: Int, loss: Double, learningRate: Float)
  case nonFiniteTestLoss(step: Int, epoch: Int, loss: Double)
  /// Found before a checkpoint would have been written.
  case nonFiniteParameter(name: String, step: Int, epoch: Int)
  /// The ranks were not given the same configuration.
  case configurationsDiffer(rank: Int)

  /// Whether every rank throws it, so that it is enough if rank 0 says it. Others are thrown by one
  /// rank, and `CollectiveError.failedElsewhere` by the rest.
  public var isSameOnAllRanks: Bool {
    switch self {
    case .nonFiniteLoss, .nonFiniteTestLoss, .nonFiniteParameter, .configurationsDiffer: true
    default: false
    }
  }
}
