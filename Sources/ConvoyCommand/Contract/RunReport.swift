import Convoy

/// The JSON of `convoy contract --report`.
struct RunReport: Encodable {
  struct Bytes: Encodable {
    let bytesReceivedPerRank: [Int]
    let peakBytesPerRank: [Int]
  }

  /// What one step took on the rank that took longest.
  struct StepTime: Encodable {
    let contraction: String
    let computeSeconds: Double
    /// Packing, waiting and unpacking.
    let communicationSeconds: Double
  }

  let ranks: Int
  /// Of the contraction, and of its gradients if they are asked for, without reading and writing.
  let seconds: Double
  let predicted: Bytes
  let measured: Bytes
  /// The most that each process ever held, as the system counts it: code and libraries too.
  let highWaterBytesPerRank: [Int]
  let steps: [StepTime]
  let hash: String

  /// Of a run in one process.
  init(_ plan: Plan, seconds: Double, predictedPeak: Int, measuredPeak: Int) {
    ranks = 1
    self.seconds = seconds
    predicted = Bytes(bytesReceivedPerRank: [0], peakBytesPerRank: [predictedPeak])
    measured = Bytes(bytesReceivedPerRank: [0], peakBytesPerRank: [measuredPeak])
    highWaterBytesPerRank = [ProcessMemory.highWaterBytes]
    steps = []
    hash = plan.hashText
  }

  /// Of a run on several ranks, forward or forward and back; collective.
  init(
    _ plan: DistributedPlan, passes: [RunSchedule], timeline: ProgramTimeline, seconds: Double,
    elementBytes: Int, receivedBytes: Int, peakBytes: Int, communicator: any Communicator
  ) throws {
    ranks = communicator.size
    self.seconds = seconds
    predicted = Bytes(
      bytesReceivedPerRank: (0..<ranks).map { rank in
        passes.reduce(0) { $0 + $1.receivedBytes(rank: rank, elementBytes: elementBytes) }
      },
      peakBytesPerRank: (0..<ranks).map { rank in
        passes.reduce(0) { max($0, $1.peakBytes(rank: rank, elementBytes: elementBytes)) }
      })
    measured = Bytes(
      bytesReceivedPerRank: try communicator.gather(receivedBytes),
      peakBytesPerRank: try communicator.gather(peakBytes))
    highWaterBytesPerRank = try communicator.gather(ProcessMemory.highWaterBytes)
    steps = try plan.plan.steps.indices.map { step in
      StepTime(
        contraction: plan.plan.contractionText(plan.plan.steps[step]),
        computeSeconds: try communicator.largest(timeline.seconds(.compute, of: step)),
        communicationSeconds: try communicator.largest(
          timeline.seconds(.communication, of: step)))
    }
    hash = plan.hashText
  }
}
