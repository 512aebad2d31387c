import Partitioning

extension Plan {
  /// A number that is equal for equal plans on every machine and in every process: ranks compare it
  /// before they start. (`hashValue` is seeded anew in each process.)
  public var stableHash: UInt64 {
    var hash = StableHash()
    combine(into: &hash)
    return hash.value
  }

  func combine(into hash: inout StableHash) {
    hash.combine(expression.text)
    for shape in expression.shapes { hash.combine(shape) }
    for mode in expression.modes {
      hash.combine(mode.mode.name)
      hash.combine(mode.extent)
    }
    hash.combine(expression.output)
    for step in steps {
      hash.combine(step.operands)
      hash.combine(step.resultModes)
      hash.combine(step.resultShape)
      for convolution in step.convolutions {
        hash.combine([
          convolution.mode, convolution.feature ?? -1, convolution.stride, convolution.tap,
          convolution.offset, convolution.circular ? 1 : 0, convolution.resultExtent,
        ])
      }
    }
  }

  /// `stableHash` as 16 hexadecimal digits.
  public var hashText: String { hexadecimal(stableHash) }
}

extension DistributedPlan {
  /// A number that is equal for equal plans on every machine and in every process: the order, all
  /// layouts and all grids.
  public var stableHash: UInt64 {
    var hash = StableHash()
    plan.combine(into: &hash)
    hash.combine(ranks)
    hash.combine(mesh.axes)
    hash.combine(mesh.slices)
    hash.combine(slicedMode ?? -1)
    for layout in inputs + [output] { hash.combine(layout) }
    for step in steps {
      hash.combine(step.grid.cuts.count)
      for cut in step.grid.cuts { hash.combine([cut.mode, cut.extent] + cut.axes) }
      for layout in step.operands + [step.computed, step.result] { hash.combine(layout) }
    }
    return hash.value
  }

  /// `stableHash` as 16 hexadecimal digits.
  public var hashText: String { hexadecimal(stableHash) }
}

private func hexadecimal(_ number: UInt64) -> String {
  let digits = String(number, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}

/// FNV-1a, 64 bits (Fowler, Noll and Vo; draft-eastlake-fnv): Swift's own hashes differ from one
/// process to the next.
package struct StableHash {
  package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  package init() {}

  package mutating func combine(_ byte: UInt8) {
    value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
  }

  mutating func combine(_ number: Int) {
    let bits = UInt64(bitPattern: Int64(number))
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
      combine(UInt8(truncatingIfNeeded: bits >> shift))
    }
  }

  /// Lengths are part of what is hashed, so that lists cannot run into each other.
  mutating func combine(_ numbers: [Int]) {
    combine(numbers.count)
    for number in numbers { combine(number) }
  }

  mutating func combine(_ layout: Layout) {
    combine(layout.cuts.count)
    for cut in layout.cuts {
      combine([cut.extent] + cut.axes)
      let window = cut.window
      combine(
        window.map { [$0.resultExtent, $0.stride, $0.low, $0.high, $0.circular ? 1 : 0] } ?? [])
    }
    combine(layout.partialAxes)
  }

  mutating func combine(_ text: String) {
    combine(text.utf8.count)
    for byte in text.utf8 { combine(byte) }
  }
}
