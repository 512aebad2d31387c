import Foundation

/// A run of `convoy train` on so few synthetic images that a step takes milliseconds.
enum SmallRun {
  /// Two epochs of `steps` steps; the folder `run` is for the output.
  static func configuration(steps: Int = 4, checkpointSteps: Int? = 3) -> String {
    """
    seed: 5
    output: run
    data: {kind: synthetic, trainingSamples: \(16 * steps), testSamples: 16, height: 8, width: 8, \
    classes: 3}
    training: {epochs: 2, batchSize: 16, warmUpEpochs: 0.5, \
    checkpointSteps: \(checkpointSteps.map(String.init) ?? "null")}

    """
  }

  /// `metrics.jsonl` of a run folder, without what is never the same twice: the time.
  static func timelessMetrics(_ folder: TestFolder, run: String = "run") throws -> [String] {
    let time = try Regex(#","imagesPerSecond":[0-9.e+-]+,"seconds":[0-9.e+-]+"#)
    return folder.text("\(run)/metrics.jsonl").split(separator: "\n")
      .map { String($0.replacing(time, with: "")) }
  }
}
