import Partitioning

/// Two random layouts of one tensor.
struct RandomCase: CustomStringConvertible {
  /// Which side may have windows.
  enum Windows: CaseIterable { case neither, source, target, both }

  let seed: UInt64
  let source: Layout
  let target: Layout

  var description: String {
    "seed \(seed), mesh \(source.mesh.axes) \(source.mesh.slices):\n"
      + "  from \(source.cuts), partial \(source.partialAxes)\n"
      + "  to \(target.cuts), partial \(target.partialAxes)"
  }

  init(seed: UInt64, windows: Windows? = nil) {
    var random = SplitMix(seed: seed)
    self.seed = seed
    let mesh = Self.mesh(&random)
    let shape = (0..<random.int(0...3)).map { _ in
      random.once(in: 12) ? 0 : random.int(1...9)
    }
    // A slice axis belongs to a mode, hence to one dimension of a tensor.
    let slicedDimensions = mesh.sliceAxes.map { _ in shape.isEmpty ? nil : random.int(1...3) - 1 }
    let side = windows ?? Windows.allCases.randomElement(using: &random) ?? .neither
    source = Self.layout(
      shape, mesh, slicedDimensions, canBePartial: mesh.axes.indices.map { _ in true },
      hasWindows: side == .source || side == .both, &random)
    let copies = source.replicationAxes
    let alike = random.once(in: 4) ? source : nil
    target = Self.layout(
      shape, mesh, slicedDimensions, canBePartial: mesh.axes.indices.map { !copies.contains($0) },
      hasWindows: side == .target || side == .both, alike: alike, &random)
  }

  /// Up to 12 ranks, in any factors, some of them 1; up to two slice axes.
  private static func mesh(_ random: inout SplitMix) -> Mesh {
    var axes: [Int] = []
    var room = 12
    for _ in 0..<random.int(0...3) {
      let extent = min(room, random.once(in: 2) ? random.int(1...3) : random.int(1...12))
      axes.append(extent)
      room /= extent
    }
    let slices = (0..<max(0, random.int(-2...2))).map { _ in random.int(1...3) }
    return Mesh(axes: axes.shuffled(using: &random), slices: slices)
  }

  /// - Parameter alike: its cuts, less their windows, are taken for most dimensions.
  private static func layout(
    _ shape: [Int], _ mesh: Mesh, _ slicedDimensions: [Int?], canBePartial: [Bool],
    hasWindows: Bool, alike: Layout? = nil, _ random: inout SplitMix
  ) -> Layout {
    var axes: [[Int]] = shape.map { _ in [] }
    var partial: [Int] = []
    for (axis, dimension) in zip(mesh.sliceAxes, slicedDimensions) {
      if let dimension, dimension < shape.count, random.once(in: 2) { axes[dimension].append(axis) }
    }
    if let alike {
      axes = alike.cuts.map { random.once(in: 6) ? [] : $0.axes }
      partial = alike.partialAxes.filter { _ in !random.once(in: 4) }
    } else {
      for axis in mesh.axes.indices.shuffled(using: &random) {
        // Cut a dimension, hold terms of a sum, or hold copies.
        let choice = random.int(0...shape.count + 1)
        if choice < shape.count {
          axes[choice].append(axis)
        } else if choice == shape.count, canBePartial[axis] {
          partial.append(axis)
        }
      }
    }
    return Layout(
      mesh: mesh,
      cuts: zip(shape, axes).map { extent, axes in
        let window = hasWindows && !random.once(in: 3) ? Self.window(&random) : nil
        return Layout.Cut(extent: extent, axes: axes, window: window)
      },
      partialAxes: partial)
  }

  /// Any offset, dilation and length, now and then far outside or longer than the extent.
  static func window(_ random: inout SplitMix) -> Window {
    let low = random.once(in: 6) ? random.int(-40...40) : random.int(-5...5)
    let length = random.once(in: 6) ? random.int(0...25) : random.int(0...4)
    return Window(
      resultExtent: random.int(0...12), stride: random.int(1...3), low: low, high: low + length,
      circular: random.once(in: 2))
  }
}
