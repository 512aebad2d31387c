/// How large a YAML text may become when every alias is replaced by what it stands for, an upper bound:
/// a few lines of lists of aliases of lists of aliases stand for billions of values.
///
/// What is anchored ends before its first alias, so an alias at q of an anchor at p stands for no more
/// than is written between p and q, with the aliases in it replaced:
///
///     size(q) = bytes before q + Σ over aliases before q of (size(alias) − size(anchor))
///
/// An anchor before a scalar on its line, such as `&rate 0.1`, stands for one value.
///
/// ```swift
/// YAMLExpansion("a: &x 1\nb: *x").bytes   // 14
/// ```
struct YAMLExpansion {
  /// No less than the size of the text with all aliases replaced; it does not overflow.
  private(set) var bytes = 0

  private struct Anchor {
    /// `bytes` where it stands first.
    var start: Int
    var isScalar: Bool
  }

  init(_ text: String) {
    let text = Array(text.utf8)
    var anchors: [ArraySlice<UInt8>: Anchor] = [:]
    for (index, byte) in text.enumerated() {
      bytes = min(bytes + 1, Self.most)
      guard byte == UInt8(ascii: "&") || byte == UInt8(ascii: "*") else { continue }
      // In quotes or comments these are no anchors and aliases: the bound is only higher for them.
      let name = text[(index + 1)...].prefix(while: Self.isPartOfName)
      guard !name.isEmpty else { continue }
      if byte == UInt8(ascii: "*") {
        guard let anchor = anchors[name] else { continue }
        bytes = min(bytes + (anchor.isScalar ? 1 : bytes - anchor.start), Self.most)
      } else {
        let isScalar = Self.isScalar(text[name.endIndex...])
        anchors[name] = Anchor(
          start: anchors[name]?.start ?? bytes,
          isScalar: isScalar && anchors[name]?.isScalar ?? true)
      }
    }
  }

  private static let most = 1 << 60

  private static func isPartOfName(_ byte: UInt8) -> Bool {
    switch UnicodeScalar(byte) {
    case "0"..."9", "A"..."Z", "a"..."z", "_", "-": true
    default: false
    }
  }

  /// Whether what follows an anchor begins a scalar on the same line.
  private static func isScalar(_ rest: ArraySlice<UInt8>) -> Bool {
    guard let first = rest.first(where: { $0 != UInt8(ascii: " ") }) else { return true }
    return !"[{-?!&*|>#\t\r\n".utf8.contains(first)
  }
}
