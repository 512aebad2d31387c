import Kernels

/// Where a sum over slices stands: sixteen slices to a buffer, sixteen such buffers to the next, and so on. One running
/// sum over all slices would lose the more the more there are; so each term takes part in 16 · log₁₆ of
/// their number additions at most, for as many buffers as there are levels: one for up to 16 slices, two for 256.
///
/// ```swift
/// var sum = SliceSum()
/// let (buffer, isAdding) = sum.next(&builder, content)    // for each slice: where its kernel writes or adds
/// let result = sum.finish(&builder)
/// ```
struct SliceSum {
  static let radix = 16

  /// The lowest first: the buffer, unless it has been handed up, and what has been added up in it.
  private var levels: [(buffer: Int?, count: Int)] = []

  /// A buffer for one more slice, and whether that adds to what is there.
  mutating func next(
    _ builder: inout ScheduleBuilder, _ content: RunSchedule.Content
  ) -> (buffer: Int, isAdding: Bool) {
    if levels.isEmpty { levels.append((nil, 0)) }
    if levels[0].count == Self.radix { handUp(0, &builder) }
    let known = levels[0].buffer
    let buffer = known ?? builder.allocate(content)
    levels[0] = (buffer, levels[0].count + 1)
    return (buffer, known != nil)
  }

  /// The buffer of all slices' sum.
  mutating func finish(_ builder: inout ScheduleBuilder) -> Int? {
    var sum: Int?
    for case (let buffer?, _) in levels {
      if let lower = sum { builder.add(lower, to: buffer) }
      sum = buffer
    }
    return sum
  }

  /// Adds a level's buffer to that of the next, or makes it that.
  private mutating func handUp(_ level: Int, _ builder: inout ScheduleBuilder) {
    let next = level + 1
    if next == levels.count { levels.append((nil, 0)) }
    if levels[next].count == Self.radix { handUp(next, &builder) }
    if let buffer = levels[level].buffer {
      if let sum = levels[next].buffer {
        builder.add(buffer, to: sum)
      } else {
        levels[next].buffer = buffer
      }
      levels[next].count += 1
    }
    levels[level] = (nil, 0)
  }
}
