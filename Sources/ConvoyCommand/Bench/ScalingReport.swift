import Convoy
import Foundation

/// How a problem changes with the number of ranks q.
enum ScalingKind: String, Encodable, CaseIterable {
  /// The same problem: at best q times faster.
  case strong
  /// One mode's extent is multiplied by q: at best in the same time.
  case weak
}

/// The JSON of `convoy bench scaling --json`.
struct ScalingReport: Encodable {
  /// Of the job.
  let ranks: Int
  /// The kind of communicator: `mpi`, `threads` or `single`.
  let kind: String
  let dtype: String
  let objective: String
  /// The name of the model that predicted the seconds.
  let machine: String
  let repetitions: Int
  let results: [ScalingSeries]
}

/// One case on more and more ranks.
struct ScalingSeries: Encodable {
  /// What a run was predicted to take, or took.
  struct Cost: Encodable {
    /// Of the slowest rank; measured: the median over the repetitions.
    let seconds: Double
    let bytesReceivedPerRank: [Int]
    let peakBytesPerRank: [Int]
  }

  struct Point: Encodable {
    /// q: the ranks that the plan was made for.
    let ranks: Int
    /// Ranks that work: fewer than `ranks` where the planner found that more cost more.
    let activeRanks: Int
    let shapes: [[Int]]
    let macs: Count
    /// 10⁹ floating-point operations per second of all ranks together, two per multiply-add.
    let gigaflopsPerSecond: Double
    /// 1 is perfect. Strong: q₀·t(q₀) / (q·t(q)); weak: t(q₀) / t(q), where q₀ is `baselineRanks`.
    fileprivate(set) var efficiency = 1.0
    let predicted: Cost
    let measured: Cost

    init(
      ranks: Int, plan: DistributedPlan, predicted: Cost, measured: Cost
    ) {
      self.ranks = ranks
      activeRanks = plan.mesh.ranks
      shapes = plan.plan.expression.shapes
      macs = Count(plan.plan.macs)
      gigaflopsPerSecond = 2 * plan.plan.macs / measured.seconds / 1e9
      self.predicted = predicted
      self.measured = measured
    }
  }

  /// A number of ranks on which the case did not run, as some rank needs more than it may have.
  struct Skipped: Encodable, CustomStringConvertible {
    let ranks: Int
    let neededBytes: Count
    let availableBytes: Int

    var description: String {
      "on \(ranks) \(ranks == 1 ? "rank" : "ranks") one needs \(countText(neededBytes.value)) bytes of "
        + countText(Double(availableBytes))
    }
  }

  let name: String
  let expression: String
  let conv: [String]
  let scaling: ScalingKind
  /// The mode that grows.
  let weak: String?
  /// The fewest ranks on which the case ran, usually 1; `nil`: it ran on none.
  let baselineRanks: Int?
  let points: [Point]
  let skipped: [Skipped]

  /// - Parameter points: in ascending order of ranks.
  init(_ entry: ScalingCase, _ scaling: ScalingKind, points: [Point], skipped: [Skipped]) {
    name = entry.name
    expression = entry.expression
    conv = entry.conv
    self.scaling = scaling
    weak = scaling == .weak ? entry.weak : nil
    baselineRanks = points.first?.ranks
    self.points = points.map { point in
      guard let first = points.first else { return point }
      let speedup = first.measured.seconds / point.measured.seconds
      var point = point
      point.efficiency =
        scaling == .weak ? speedup : speedup * Double(first.ranks) / Double(point.ranks)
      return point
    }
    self.skipped = skipped
  }
}

extension ScalingReport {
  /// The head of the table; its rows are `ScalingSeries.tableRows`.
  static let tableHeader = """
                                                             ranks             time, ms                            bytes/rank
    case                                   scaling planned working   measured  predicted GFLOP/s effic.      received     predicted
    """
}

extension ScalingSeries {
  /// A row per number of ranks. Bytes are those of the rank that receives most.
  var tableRows: [String] {
    points.map { point in
      let title = name.count <= 38 ? name : name.prefix(37) + "…"
      let padding = String(repeating: " ", count: max(0, 38 - title.count))
      return title + padding + " "
        + scaling.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)
        + String(
          format: "%7ld %7ld %10.4f %10.4f %7.1f %5.1f%% ", point.ranks,
          point.activeRanks, 1000 * point.measured.seconds, 1000 * point.predicted.seconds,
          point.gigaflopsPerSecond, 100 * point.efficiency)
        + countCell(point.measured.bytesReceivedPerRank.max() ?? 0, width: 13) + " "
        + countCell(point.predicted.bytesReceivedPerRank.max() ?? 0, width: 13)
    }
  }
}
