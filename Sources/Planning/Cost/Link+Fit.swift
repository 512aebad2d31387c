extension MachineModel.Link {
  /// How long a message of some bytes took.
  ///
  /// ```swift
  /// let timing = MachineModel.Link.Timing(bytes: 8, seconds: 1.5e-6)
  /// ```
  public struct Timing: Hashable, Sendable {
    public let bytes: Double
    public let seconds: Double

    public init(bytes: Double, seconds: Double) {
      self.bytes = bytes
      self.seconds = seconds
    }
  }

  /// The line `seconds = α + β·bytes` through measured messages, by least squares of the relative
  /// errors: of the absolute ones the longest messages would decide alone, and α be noise.
  ///
  /// Where the best line has no positive α or β, which times that bend can bring about, the
  /// shortest message gives α, or the longest gives β.
  ///
  /// ```swift
  /// let link = try MachineModel.Link(fitting: timings)
  /// ```
  ///
  /// - Throws: `MachineModelError.unfitTimings`.
  public init(fitting timings: [Timing]) throws(MachineModelError) {
    guard timings.allSatisfy({ $0.seconds > 0 && $0.seconds.isFinite && $0.bytes >= 0 }),
      let shortest = timings.min(by: { $0.bytes < $1.bytes }),
      let longest = timings.max(by: { $0.bytes < $1.bytes }), shortest.bytes < longest.bytes
    else { throw .unfitTimings(count: timings.count) }
    // Normal equations of Σ (α·u + β·v − 1)², with u = 1/seconds and v = bytes/seconds.
    var (uu, uv, vv, u, v) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for timing in timings {
      let (a, b) = (1 / timing.seconds, timing.bytes / timing.seconds)
      uu += a * a
      uv += a * b
      vv += b * b
      u += a
      v += b
    }
    let determinant = uu * vv - uv * uv
    let latency = (u * vv - v * uv) / determinant
    let secondsPerByte = (v * uu - u * uv) / determinant
    self.init(
      latencySeconds: latency > 0 && latency.isFinite ? latency : shortest.seconds,
      bytesPerSecond: secondsPerByte > 0 && secondsPerByte.isFinite
        ? 1 / secondsPerByte : longest.bytes / longest.seconds)
  }
}
