import CKernels
import Graph
import Kernels

/// Sweeps of a batch normalisation over float32, channels last, with what comes before and after it.
/// They find the normalised values again from x wherever they need them.
///
/// ```swift
/// let fused = FusedNormalization(normalization, ChannelLayout(rows: 8 * 28 * 28, channels: 64))
/// let work = fused.relu()  // reads x, Σ, γ, β; writes max(0, y)
/// ```
struct FusedNormalization {
  /// Where a gradient comes through on its way to the normalisation.
  enum Gate {
    /// Everywhere.
    case open
    /// Where the normalisation's output, found again, is positive.
    case input
    /// Where a ReLU's output, which is read, is positive.
    case output
  }

  let normalization: Operators.Normalization
  let layout: ChannelLayout

  init(_ normalization: Operators.Normalization, _ layout: ChannelLayout) {
    self.normalization = normalization
    self.layout = layout
  }

  private var channels: Int { layout.channels }
  private var vectorBytes: Int { ChannelVectors.bytes(channels) }

  /// By x, Σ, γ and β, which are at these places of the inputs.
  fileprivate static func vectors(
    _ normalization: Operators.Normalization, _ inputs: [UnsafeRawPointer],
    _ workspace: UnsafeMutableRawPointer, _ channels: Int, sums: Int, gamma: Int?, beta: Int?
  ) -> ChannelVectors {
    ChannelVectors(
      workspace, channels, count: normalization.count, epsilon: normalization.epsilon,
      sums: inputs[sums], gamma: gamma.map { inputs[$0] }, beta: beta.map { inputs[$0] })
  }

  // MARK: Forward

  /// Normalization → ReLU. Reads x, Σ, γ, β.
  func relu() -> SweepWork {
    let nanoseconds = 0.25 * Double(layout.count)
    return SweepWork(
      workspaceBytes: vectorBytes, nanoseconds: nanoseconds, inPlace: [0]
    ) { [normalization, layout, channels] inputs, outputs, workspace in
      nonisolated(unsafe) let vectors = Self.vectors(
        normalization, inputs, workspace, channels, sums: 1, gamma: 2, beta: 3)
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      nonisolated(unsafe) let y = outputs[0].elements(Float.self)
      layout.eachPart(nanoseconds: nanoseconds) { rows in
        let start = rows.lowerBound * channels
        convoy_scale_shift(
          rows.count, channels, x + start, vectors.scale, vectors.shift, 1, y + start)
      }
    }
  }

  /// Normalization → Add → ReLU. Reads x, Σ, γ, β and what is added: as it is, or `other`
  /// normalised, of which there are x, Σ, γ, β too.
  func addRelu(_ other: Operators.Normalization?) -> SweepWork {
    let nanoseconds = 0.4 * Double(layout.count)
    return SweepWork(
      workspaceBytes: 2 * vectorBytes, nanoseconds: nanoseconds, inPlace: [0]
    ) { [normalization, layout, channels, vectorBytes] inputs, outputs, workspace in
      nonisolated(unsafe) let vectors = Self.vectors(
        normalization, inputs, workspace, channels, sums: 1, gamma: 2, beta: 3)
      nonisolated(unsafe) let others = other.map {
        Self.vectors($0, inputs, workspace + vectorBytes, channels, sums: 5, gamma: 6, beta: 7)
      }
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      nonisolated(unsafe) let second = inputs[4].elements(Float.self)
      nonisolated(unsafe) let y = outputs[0].elements(Float.self)
      layout.eachPart(nanoseconds: nanoseconds) { rows in
        let start = rows.lowerBound * channels
        convoy_scale_shift_add(
          rows.count, channels, x + start, vectors.scale, vectors.shift, second + start,
          others?.scale, others?.shift, y + start)
      }
    }
  }

  /// Normalization → (ReLU →) MaxPool. Reads x, Σ, γ, β.
  func maxPool(_ pool: convoy_pool, relu: Bool) -> SweepWork {
    SweepWork(workspaceBytes: vectorBytes, nanoseconds: pool.nanoseconds) {
      [normalization, channels] inputs, outputs, workspace in
      nonisolated(unsafe) let vectors = Self.vectors(
        normalization, inputs, workspace, channels, sums: 1, gamma: 2, beta: 3)
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      nonisolated(unsafe) let y = outputs[0].elements(Float.self)
      pool.eachPart {
        convoy_normalized_max_pool(
          $0, x + $1, vectors.scale, vectors.shift, relu ? 1 : 0, y + $2, nil, nil)
      }
    }
  }

  // MARK: Back

  /// (ReLU's adjoint →) NormalizationSums. Reads x, Σ, g; then γ and β, or the ReLU's output, as
  /// the gate does.
  func sums(gate: Gate) -> SweepWork {
    let sums = ChannelSums(
      layout, nanosecondsPerElement: 0.25, scratch: convoy_channel_scratch(channels))
    let hasParameters = gate == .input
    return SweepWork(
      workspaceBytes: vectorBytes + sums.bytes, nanoseconds: 0.25 * Double(layout.count)
    ) { [normalization, channels, vectorBytes] inputs, outputs, workspace in
      nonisolated(unsafe) let vectors = Self.vectors(
        normalization, inputs, workspace, channels, sums: 1, gamma: hasParameters ? 3 : nil,
        beta: hasParameters ? 4 : nil)
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      nonisolated(unsafe) let dy = inputs[2].elements(Float.self)
      nonisolated(unsafe) let y = gate == .output ? inputs[3].elements(Float.self) : dy
      let result = outputs[0].elements(Double.self)
      sums.run(workspace + vectorBytes, sums: result) {
        let start = $0.lowerBound * channels
        switch gate {
        case .open, .input:
          convoy_normalization_sums(
            $0.count, channels, x + start, dy + start, vectors.mean, vectors.scale, vectors.shift,
            gate == .input ? 1 : 0, $1, $1 + channels, $2)
        case .output:
          convoy_gated_normalization_sums(
            $0.count, channels, x + start, y + start, dy + start, vectors.mean, $1, $1 + channels,
            $2)
        }
      }
      vectors.normalizeProducts(result, channels)
    }
  }

  /// (ReLU's adjoint →) NormalizationAdjoint. Reads x, Σ, g, Σg and Σg·x̂, γ if there is one; then β,
  /// or the ReLU's output, as the gate does.
  func adjoint(gate: Gate) -> SweepWork {
    let nanoseconds = 0.4 * Double(layout.count)
    let gamma = normalization.parameterAxes == nil ? nil : 4
    return SweepWork(
      workspaceBytes: vectorBytes, nanoseconds: nanoseconds, inPlace: [2]
    ) { [normalization, layout, channels] inputs, outputs, workspace in
      nonisolated(unsafe) let vectors = Self.vectors(
        normalization, inputs, workspace, channels, sums: 1, gamma: gamma,
        beta: gate == .input ? 5 : nil)
      vectors.findLine(channels, count: normalization.count, sums: inputs[3])
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      nonisolated(unsafe) let dy = inputs[2].elements(Float.self)
      nonisolated(unsafe) let y = gate == .output ? inputs[5].elements(Float.self) : dy
      nonisolated(unsafe) let dx = outputs[0].elements(Float.self)
      layout.eachPart(nanoseconds: nanoseconds) { rows in
        let start = rows.lowerBound * channels
        switch gate {
        case .open, .input:
          convoy_normalization_backward(
            rows.count, channels, x + start, dy + start, vectors.mean, vectors.scale,
            vectors.shift, gate == .input ? 1 : 0, vectors.slope, vectors.constant, dx + start)
        case .output:
          convoy_gated_normalization_backward(
            rows.count, channels, x + start, y + start, dy + start, vectors.mean, vectors.scale,
            vectors.slope, vectors.constant, dx + start)
        }
      }
    }
  }

  /// MaxPoolAdjoint → (ReLU's adjoint →) NormalizationSums. Reads x, Σ, the pool's gradient, γ, β.
  func pooledSums(_ pool: convoy_pool, relu: Bool) -> SweepWork {
    let sums = ChannelSums(
      ChannelLayout(rows: pool.windows, channels: channels), nanosecondsPerElement: 0.25,
      scratch: convoy_normalized_pool_scratch(channels))
    return SweepWork(
      workspaceBytes: vectorBytes + sums.bytes, nanoseconds: pool.nanoseconds
    ) { [normalization, channels, vectorBytes] inputs, outputs, workspace in
      nonisolated(unsafe) let vectors = Self.vectors(
        normalization, inputs, workspace, channels, sums: 1, gamma: 3, beta: 4)
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      nonisolated(unsafe) let dy = inputs[2].elements(Float.self)
      let result = outputs[0].elements(Double.self)
      sums.run(workspace + vectorBytes, sums: result) { windows, sums, scratch in
        withUnsafePointer(to: pool) {
          convoy_normalized_max_pool_sums(
            $0, windows.lowerBound, windows.count, x, dy + windows.lowerBound * channels,
            vectors.mean, vectors.scale, vectors.shift, relu ? 1 : 0, sums, sums + channels,
            scratch)
        }
      }
      vectors.normalizeProducts(result, channels)
    }
  }

  /// MaxPoolAdjoint → (ReLU's adjoint →) NormalizationAdjoint. Reads x, Σ, the pool's gradient, Σg
  /// and Σg·x̂, γ, β.
  func pooledAdjoint(_ pool: convoy_pool, relu: Bool) -> SweepWork {
    let taps = (pool.outWidth * channels + 63) / 64 * 64
    return SweepWork(
      workspaceBytes: vectorBytes + pool.parts * taps, nanoseconds: 1.5 * pool.nanoseconds
    ) { [normalization, channels, vectorBytes] inputs, outputs, workspace in
      nonisolated(unsafe) let vectors = Self.vectors(
        normalization, inputs, workspace, channels, sums: 1, gamma: 4, beta: 5)
      vectors.findLine(channels, count: normalization.count, sums: inputs[3])
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      nonisolated(unsafe) let dy = inputs[2].elements(Float.self)
      nonisolated(unsafe) let dx = outputs[0].elements(Float.self)
      nonisolated(unsafe) let scratch = (workspace + vectorBytes).elements(UInt8.self)
      pool.eachNumberedPart {
        convoy_normalized_max_pool_adjoint(
          $0, x + $1, dy + $2, vectors.mean, vectors.scale, vectors.shift, relu ? 1 : 0,
          vectors.slope, vectors.constant, dx + $1, scratch + $3 * taps)
      }
    }
  }
}

extension ChannelVectors {
  /// Σg·x̂ of Σg·(x − μ), in place, after the sums Σg.
  fileprivate func normalizeProducts(_ sums: UnsafeMutablePointer<Double>, _ channels: Int) {
    for channel in 0..<channels { sums[channels + channel] *= inverse[channel] }
  }
}
