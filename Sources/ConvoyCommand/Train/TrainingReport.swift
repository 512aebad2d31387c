import Convoy

/// The JSON of `convoy train --report`: of one training step.
struct TrainingReport: Encodable {
  /// On rank 0, summed over its threads.
  struct Times: Encodable {
    var predictedSeconds = 0.0
    var measuredSeconds = 0.0
  }

  /// Forward and back.
  struct Layer: Encodable {
    let name: String
    let predictedSeconds: Double
    let measuredSeconds: Double
  }

  let ranks: Int
  /// Its number in the run, from 1.
  let step: Int
  /// Of the rank that took longest.
  let seconds: Double
  let predicted: RunReport.Bytes
  let measured: RunReport.Bytes
  /// The most that each process ever held up to then, as the system counts it: code, libraries and data too.
  let highWaterBytesPerRank: [Int]
  let layers: [Layer]
  let loss: Times
  let update: Times
  let communication: Times

  /// Collective.
  init(_ recording: StepRecording, communicator: any Communicator) throws {
    let program = recording.program
    ranks = communicator.size
    step = recording.step
    seconds = try communicator.largest(recording.timeline.seconds)
    predicted = RunReport.Bytes(
      bytesReceivedPerRank: try communicator.gather(program.receivedBytes),
      peakBytesPerRank: try communicator.gather(program.peakBytes))
    measured = RunReport.Bytes(
      bytesReceivedPerRank: try communicator.gather(recording.receivedBytes),
      peakBytesPerRank: try communicator.gather(recording.peakBytes))
    highWaterBytesPerRank = try communicator.gather(ProcessMemory.highWaterBytes)
    var times: [NodeOwner: Times] = [:]
    var communication = Times(predictedSeconds: program.communicationSeconds(on: .standard))
    for (owner, seconds) in zip(recording.owners, program.nodeSeconds) {
      times[owner, default: Times()].predictedSeconds += seconds
    }
    for event in recording.timeline.events {
      switch event.kind {
      case .communication: communication.measuredSeconds += event.duration
      case .compute:
        times[recording.owners[event.name], default: Times()].measuredSeconds += event.duration
      }
    }
    layers = recording.layers.enumerated().map { number, name in
      let times = times[.layer(number)] ?? Times()
      return Layer(
        name: name, predictedSeconds: times.predictedSeconds,
        measuredSeconds: times.measuredSeconds)
    }
    loss = times[.loss] ?? Times()
    update = times[.update] ?? Times()
    self.communication = communication
  }
}
