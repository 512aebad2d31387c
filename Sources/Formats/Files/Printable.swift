/// A user's text as it may be shown on a terminal: a key, a name, a path, a value.
///
/// Characters that a terminal obeys instead of showing them (escape sequences begin with one, and
/// others turn the direction of the writing) come out as `\u001b` and the like, which JSON reads as
/// the same text. What is longer than any name is cut.
///
/// ```swift
/// print(printable("a\u{1B}[2Jb"))  // a\u001b[2Jb
/// ```
///
/// - Parameter keepsLines: For a whole message, made of several lines and of any length: ends of lines and tabs
///   stay.
public func printable(_ text: String, keepsLines: Bool = false) -> String {
  if text.utf8.count <= longestName || keepsLines,
    text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) || keepsLines && $0 == 0x0A })
  {
    return text
  }
  var result = ""
  for (count, scalar) in text.unicodeScalars.enumerated() {
    guard keepsLines || count < longestName else { return result + "…" }
    if keepsLines && (scalar == "\n" || scalar == "\t") || !isObeyed(scalar) {
      result.unicodeScalars.append(scalar)
    } else {
      let digits = String(scalar.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
  }
  return result
}

/// A path has at most 4,096 bytes, of which the first quarter says which it is.
private let longestName = 1024

/// Controls (ISO/IEC 6429: C0, C1 and delete), ends of lines, and what directs or hides text of two
/// directions (Unicode Standard Annex 9).
private func isObeyed(_ scalar: UnicodeScalar) -> Bool {
  switch scalar.value {
  case 0..<0x20, 0x7F..<0xA0, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
  default: false
  }
}
