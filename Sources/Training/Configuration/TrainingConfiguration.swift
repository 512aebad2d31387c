import Graph

/// All that a training run depends on.
///
/// ```swift
/// let configuration = try TrainingConfiguration(
///   file: "examples/fashion-mnist.yaml", overrides: ["model.form=tk", "training.epochs=2"])
/// let summary = try train(configuration, communicator: SingleCommunicator())
/// ```
public struct TrainingConfiguration: Hashable, Sendable {
  public var model = ModelConfiguration()
  public var data = DataConfiguration()
  public var training = LoopConfiguration()
  public var optimizer = OptimizerConfiguration()
  /// Initial weights, the order of the samples and synthetic data follow from it.
  public var seed: UInt64 = 0
  /// The run folder, new or empty when a run starts.
  public var output = "runs/convoy"

  public init() {}
}

/// What is trained on.
///
/// ```swift
/// let data = DataConfiguration(kind: .synthetic, trainingSamples: 512, testSamples: 128)
/// ```
public struct DataConfiguration: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// Fashion-MNIST, where Debian's package `dataset-fashion-mnist` puts it.
    case fashionMNIST = "fashion-mnist"
    /// A folder of four IDX files named as MNIST's are.
    case idx
    /// Made from the seed: one blurred pattern per class, shifted, with noise.
    case synthetic
  }

  /// Where Debian's package `dataset-fashion-mnist` puts its files.
  public static let fashionMNISTPath = "/usr/share/datasets/fashion-mnist"

  public var kind = Kind.fashionMNIST
  /// The folder of the IDX files; `nil` is where Debian puts Fashion-MNIST. Not for synthetic data.
  public var path: String?
  /// Train on the first so many samples; `nil` is all. How many there are, for synthetic data.
  public var trainingSamples: Int?
  /// Test on the first so many samples; `nil` is all. How many there are, for synthetic data.
  public var testSamples: Int?
  /// Rows and columns of zeros (pixel value 0) on every side of every image.
  public var padding = 0
  /// The shape of synthetic images, without the padding.
  public var height = 28
  public var width = 28
  public var channels = 1
  /// The number of classes of synthetic data, at most 256.
  public var classes = 10

  public init(
    kind: Kind = .fashionMNIST, path: String? = nil, trainingSamples: Int? = nil,
    testSamples: Int? = nil
  ) {
    self.kind = kind
    self.path = path
    self.trainingSamples = trainingSamples
    self.testSamples = testSamples
  }
}

/// How long, in what portions and at what pace to train.
///
/// ```swift
/// var training = LoopConfiguration()
/// training.schedule = .cosine
/// training.warmUpEpochs = 0.5
/// ```
public struct LoopConfiguration: Hashable, Sendable {
  public var epochs = 5
  /// Samples per step over all ranks together; the last batch of an epoch may be smaller.
  public var batchSize = 128
  /// Whether an epoch leaves out its last batch if that is smaller.
  public var dropLast = false
  /// Stop after so many steps, even within an epoch. The schedule does not depend on it.
  public var maxSteps: Int?
  public var schedule = Schedule.Kind.cosine
  /// The learning rate rises linearly over so many epochs.
  public var warmUpEpochs = 0.0
  /// The step schedule multiplies the learning rate by `stepFactor` after every `stepEpochs`, rounded to whole steps
  /// (`Schedule`).
  public var stepEpochs = 2.0
  public var stepFactor = 0.1
  public var precision = Precision.float32
  /// A checkpoint every so many steps, besides the one after every epoch.
  public var checkpointSteps: Int?
  public var parallelism = Parallelism.data
  /// What a rank may hold of a step's tensors; `auto` takes only what keeps within it.
  public var memory: MemorySize?

  public init() {}

  /// Of what elements parameters, activations and the optimizer's state are. Sums that need it are
  /// in float64 either way.
  public enum Precision: String, Hashable, Sendable, CaseIterable {
    case float32
    /// For comparisons: it takes twice the memory and more than twice the time.
    case float64

    var type: ElementType {
      switch self {
      case .float32: .float32
      case .float64: .float64
      }
    }
  }

  /// How ranks share the work. The result does not depend on it but for rounding.
  public enum Parallelism: String, Hashable, Sendable, CaseIterable {
    /// Every rank takes whole samples.
    case data
    /// Where there are more ranks than samples, or memory is short, the planner may also cut the
    /// rows of the images, and channels within a layer.
    case auto
  }
}

/// Which optimizer, and its numbers.
///
/// ```swift
/// var optimizer = OptimizerConfiguration()
/// optimizer.kind = .adam
/// optimizer.learningRate = 1e-3
/// ```
public struct OptimizerConfiguration: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    case sgd
    case adam
  }

  public var kind = Kind.sgd
  /// The highest learning rate of the schedule.
  public var learningRate = 0.05
  /// SGD's.
  public var momentum = 0.9
  public var weightDecay = 5e-4
  /// Adam's.
  public var beta1 = 0.9
  public var beta2 = 0.999
  public var epsilon = 1e-8

  public init() {}
}
