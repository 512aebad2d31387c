import Formats

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

extension TrainingError: CustomStringConvertible {
  /// One message for people: what was wrong, what was expected and, where one exists, the fix.
  public var description: String {
    switch self {
    case .unreadableConfiguration, .malformedConfiguration, .malformedOverride, .unknownKey,
      .invalidValue, .missingSetting, .unknownLayer, .notASection:
      configurationProblem
    case .missingData, .missingDataPath, .noImages, .imageExtents, .imageCount, .extentsDiffer,
      .tooFewClasses, .syntheticTooLarge, .noWholeBatch, .batchTooSmall:
      dataProblem
    default:
      runProblem
    }
  }

  private var configurationProblem: String {
    switch self {
    case .unreadableConfiguration(let file, let reason):
      switch reason {
      case .missing: "\(printable(file)): there is no such file; expected a YAML configuration"
      case .denied: "\(printable(file)): cannot be read; expected a YAML configuration file"
      case .notText: "\(printable(file)): this is not UTF-8 text; expected a YAML configuration"
      }
    case .malformedConfiguration(let source, let reason):
      "\(printable(source)): \(printable(reason, keepsLines: true))"
    case .malformedOverride(let text):
      "--set '\(printable(text))': expected key=value, such as training.epochs=3"
    case .unknownKey(let key, let nearest, let source):
      "\(printable(source)): there is no key '\(printable(key))'; did you mean '\(nearest)'?"
    case .invalidValue(let key, let value, let expected, let source):
      "\(printable(source)): \(key) is \(value.isEmpty ? "empty" : printable(value)); expected \(expected)"
    case .missingSetting(let key, let expected, let source):
      "\(printable(source)): there is no \(printable(key)); expected \(expected)"
    case .unknownLayer(let layer, let nearest, let key, let source):
      """
      \(printable(source)): \(printable(key)): there is no layer '\(printable(layer))'; did you mean \
      '\(nearest)'?
      """
    case .notASection(let section, let value, let source, let keys):
      """
      \(printable(source)): '\(section)' is a section and cannot be \(printable(value)); set one of its keys: \
      \(keys.map { "\(section).\($0)" }.joined(separator: ", "))
      """
    default: ""
    }
  }

  private var dataProblem: String {
    switch self {
    case .missingData(let folder, let file, let isFashionMNIST):
      "\(printable(folder)): there is no \(file) nor \(file).gz; "
        + (isFashionMNIST
          ? "install Fashion-MNIST (apt-get install dataset-fashion-mnist) or set data.path"
          : "data.path must hold four IDX files named as MNIST's are")
    case .missingDataPath:
      "data.path is not set; data.kind idx needs the folder of the IDX files"
    case .noImages(let file, let shape):
      "\(printable(file)): holds no images (shape \(shape)); expected at least one, of at least one pixel"
    case .imageExtents(let file, let shape):
      """
      \(printable(file)): has the extents \(extents(shape)); expected images × height × width, or \
      images × height × width × channels with at most \(IDXPart.channels.upperBound) channels, which come last
      """
    case .imageCount(let images, let imageCount, let labels, let labelCount):
      "\(printable(images)) has \(imageCount) images, but \(printable(labels)) has \(labelCount) labels; expected as many"
    case .extentsDiffer(let training, let trainingExtents, let test, let testExtents):
      """
      \(printable(test)): the images are \(extents(testExtents)), but those of \(printable(training)) are \
      \(extents(trainingExtents)); expected the same
      """
    case .tooFewClasses(let file, let classes):
      "\(printable(file)): the labels name \(classes) class; expected at least 2 to tell apart"
    case .noWholeBatch(let batchSize, let samples):
      """
      training.dropLast leaves nothing of an epoch: training.batchSize is \(batchSize), but there are \
      \(samples) training samples; use a batch of at most as many, or training.dropLast=false
      """
    case .batchTooSmall(let layer, let values, let batch, true, let batchSize, let samples):
      """
      the last batch of an epoch has \(batch) sample\(batch == 1 ? "" : "s") (\(samples) in batches of \
      \(batchSize)), of which \(layer) sees \(values) value\(values == 1 ? "" : "s") per channel, and its statistics need at \
      least 2; leave it out with training.dropLast=true, or use another training.batchSize or larger images
      """
    case .batchTooSmall(let layer, let values, let batch, false, _, _):
      """
      of a batch of \(batch) sample\(batch == 1 ? "" : "s") \(layer) sees \(values) value\(values == 1 ? "" : "s") per \
      channel, and its statistics need at least 2; use a larger training.batchSize or larger images
      """
    case .syntheticTooLarge(let samples, let shape):
      """
      \(samples) synthetic images of \(extents(shape)) do not fit in memory; \
      lower data.trainingSamples, data.testSamples or the extents
      """
    default: ""
    }
  }

  private var runProblem: String {
    switch self {
    case .outputHoldsFiles(let path, true):
      """
      \(printable(path)) already holds a run; continue it with --resume \(printable(path)), or choose another folder with \
      --set output=…
      """
    case .outputHoldsFiles(let path, false):
      """
      \(printable(path)) is not empty, and holds no run of convoy; choose a new or empty folder with \
      --set output=…
      """
    case .outputUnwritable(let path, let code):
      """
      \(printable(path)): cannot be used as the run folder: \(String(cString: strerror(code))); choose a folder \
      you can write to with --set output=…
      """
    case .nothingToResume(let path, true):
      "\(printable(path)): there is no run here to resume; expected the output folder of an earlier run"
    case .nothingToResume(let path, false):
      "\(printable(path)): there is no such folder to resume; expected the output folder of an earlier run"
    case .differentRun(let path, let differences):
      """
      \(printable(path)): cannot be resumed with another configuration: \
      \(differences.map { "\($0.key) was \(printable($0.saved)) and is now \(printable($0.requested))" }
        .joined(separator: "; ")); use the values of the run, or start a new one
      """
    case .checkpointOfOtherRun(let path, let problem):
      "\(printable(path)): is no checkpoint of this run: \(printable(problem))"
    case .folderInUse(let path, let holder):
      """
      \(printable(path)): a run is going on in this folder (host and process: \(printable(holder))); \
      wait for its end, or choose another folder
      """
    case .checkpointDamaged(let path):
      "\(printable(path)): is damaged: what it holds does not match its checksum"
    case .metricsDamaged(let path, let line, let problem):
      """
      \(printable(path))\(line.map { ":\($0)" } ?? ""): \(Self.text(problem)); put the file right, or move it \
      away to go on with a history that begins at the checkpoint
      """
    case .notEnoughMemory(let needed, let memory, let ranks):
      """
      a step on \(ranks) rank\(ranks == 1 ? "" : "s") needs \(megabytes(needed)) a rank, but \
      training.memory is \(megabytes(memory)); use more ranks, a smaller training.batchSize or \
      training.checkpointing recompute, or raise the limit
      """
    case .notEnoughHostMemory(let pass, let needed, let available, let sharing):
      """
      a\(pass.hasPrefix("e") ? "n" : "") \(pass) needs \(megabytes(needed)) a rank, but \
      \(sharing == 1 ? "this machine has" : "each of the \(sharing) ranks on this machine has") \
      \(megabytes(available)); use a smaller training.batchSize, or more machines
      """
    case .nonFiniteLoss(let step, let epoch, let loss, let learningRate):
      """
      the loss became \(number(loss)) at step \(step) (epoch \(epoch), learning rate \(learningRate)); \
      try a lower optimizer.learningRate or a longer training.warmUpEpochs
      """
    case .nonFiniteTestLoss(let step, let epoch, let loss):
      """
      the test loss became \(number(loss)) after step \(step) (epoch \(epoch)); try a lower \
      optimizer.learningRate or a longer training.warmUpEpochs
      """
    case .nonFiniteParameter(let name, let step, let epoch):
      """
      the parameter \(printable(name)) is no longer finite after step \(step) (epoch \(epoch)), so no checkpoint \
      is written; try a lower optimizer.learningRate or a longer training.warmUpEpochs, and --resume
      """
    case .configurationsDiffer(let rank):
      "rank \(rank) was given another configuration than rank 0; start all ranks with the same one"
    default: ""
    }
  }

  private static func text(_ problem: MetricsProblem) -> String {
    switch problem {
    case .noRecord: "is no record of a step or an epoch"
    case .wrongStep(let found, let expected): "is of step \(found), expected step \(expected)"
    case .wrongEpoch(let found, let expected): "is of epoch \(found), expected epoch \(expected)"
    case .ends(let step, let epoch, let expectedStep, let expectedEpoch):
      "ends at step \(step) with \(epoch) epochs, but the checkpoint is of step \(expectedStep) with "
        + "\(expectedEpoch)"
    }
  }
}

/// A loss that is not finite; which sign a NaN has means nothing.
private func number(_ loss: Double) -> String { loss.isNaN ? "NaN" : "\(loss)" }

/// `12.5 MiB`.
private func megabytes(_ bytes: Int) -> String {
  "\((Double(bytes) / 0x1p20 * 10).rounded(.up) / 10) MiB"
}

/// `28×28`.
private func extents(_ shape: [Int]) -> String {
  shape.map(String.init).joined(separator: "×")
}
