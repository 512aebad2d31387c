/// A number of bytes as people write it: a number alone or with a unit, `kB`, `MB`, `GB`, `TB` or
/// `KiB`, `MiB`, `GiB`, `TiB`, in any case.
///
/// ```swift
/// MemorySize("1.5 GiB")?.bytes         // 1610612736
/// "\(MemorySize(bytes: 512 << 20))"    // 512MiB
/// ```
public struct MemorySize: Hashable, Sendable {
  /// At least 1.
  public let bytes: Int

  public init(bytes: Int) { self.bytes = bytes }

  /// `nil` where the text is no size, or not from 1 to below 2^62 bytes.
  public init?(_ text: String) {
    let units = [
      ("kib", 0x1p10), ("mib", 0x1p20), ("gib", 0x1p30), ("tib", 0x1p40), ("kb", 1e3), ("mb", 1e6),
      ("gb", 1e9), ("tb", 1e12), ("b", 1), ("", 1),
    ]
    let text = text.lowercased()
    guard let (unit, factor) = units.first(where: { text.hasSuffix($0.0) }) else { return nil }
    var digits = text.dropLast(unit.count)
    while digits.last == " " { digits.removeLast() }
    guard let number = Double(digits), number.isFinite else { return nil }
    let bytes = (number * factor).rounded(.down)
    guard bytes >= 1 && bytes < 0x1p62 else { return nil }
    self.bytes = Int(bytes)
  }
}

extension MemorySize: CustomStringConvertible {
  /// In the largest binary unit of which it is a whole number; reads back as the same.
  public var description: String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)]
    for (unit, power) in units where bytes > 0 && bytes.trailingZeroBitCount >= power {
      return "\(bytes >> power)\(unit)"
    }
    return "\(bytes)"
  }
}
