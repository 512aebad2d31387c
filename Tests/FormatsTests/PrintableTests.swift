import Testing

@testable import Formats

/// What a terminal would obey is shown instead. The escapes are JSON's (RFC 8259, section 7).
@Suite struct PrintableTests {
  @Test(arguments: [
    ("", ""), ("plain text", "plain text"), ("naïve 数 🙂", "naïve 数 🙂"),
    ("\u{1B}[2J", "\\u001b[2J"), ("a\nb\tc\r", "a\\u000ab\\u0009c\\u000d"), ("\u{7F}", "\\u007f"),
    ("\u{9B}31m", "\\u009b31m"), ("\u{0}", "\\u0000"), ("a\u{202E}b\u{2066}", "a\\u202eb\\u2066"),
    ("\u{2028}", "\\u2028"),
  ])
  func nameOf(text: String, shown: String) { #expect(printable(text) == shown) }

  @Test func linesOfMessagesStay() {
    #expect(printable("a\n\tb\u{1B}c\n", keepsLines: true) == "a\n\tb\\u001bc\n")
    let long = String(repeating: "x", count: 5000)
    #expect(printable(long, keepsLines: true) == long)
    #expect(printable(long) == String(repeating: "x", count: 1024) + "…")
  }

  /// Every error that quotes a name, with a name that clears the screen.
  @Test func noErrorPrintsAnEscape() {
    let evil = "\u{1B}[2J\n"
    let errors: [FormatError] = [
      .system(path: evil, operation: "open '\(evil)'", code: 2), .notAFile(path: evil),
      .notSeekable(path: evil), .unreadPipe(path: evil), .foreignLink(path: evil, link: evil),
      .tooLong(path: evil, limit: 1), .notEnoughMemory(path: evil, needed: 2, available: 1),
      .compressedTooShort(path: evil, part: "data", expected: 2, most: 1),
      .truncated(path: evil, part: evil, expected: 2, found: 1),
      .trailingData(path: evil, position: 1), .corruptCompression(path: evil, reason: evil),
      .malformed(path: evil, part: "header", position: 1, found: evil, expected: evil),
      .unsupportedElementType(path: evil, found: evil, supported: "float32"),
      .shapeTooLarge(path: evil, tensor: evil, shape: [1]),
      .sizeMismatch(path: evil, tensor: evil, shape: [1], expected: 2, found: 1),
      .misplacedTensor(path: evil, tensor: evil, expected: 2, found: 1),
      .duplicateName(path: evil, name: evil), .reservedName(path: evil, name: evil),
    ]
    for error in errors {
      #expect(error.description.unicodeScalars.allSatisfy { $0.value >= 0x20 }, "\(error)")
      #expect(error.description.hasPrefix("\\u001b[2J\\u000a: "))
    }
  }
}
