import Testing

@testable import Training

/// The bound on what a text becomes with its aliases replaced, beside texts of which that is known.
@Suite struct YAMLExpansionTests {
  @Test(arguments: ["", "a: 1\nb: [2, 3]\n", "a: *x", "a: 2*3 & 4\n# *important*\n", "&x", "*"])
  func aTextWithoutAliasesIsItself(text: String) {
    #expect(YAMLExpansion(text).bytes == text.utf8.count)
  }

  /// A value for each alias.
  @Test(arguments: ["0.1", "\"text\"", "'text'", "text of words", "key: 1"])
  func anAliasOfAScalarIsOneValue(scalar: String) {
    let text = "a: &x \(scalar)\nb: [*x, *x, *x]\n"
    #expect(YAMLExpansion(text).bytes == text.utf8.count + 3)
  }

  /// `levels` lists of `width` aliases of the one before: widthˡᵉᵛᵉˡˢ times the first.
  @Test(arguments: [1, 2, 5, 9], [1, 2, 3, 6])
  func theBoundIsNoLessThanTheText(width: Int, levels: Int) {
    for (start, end) in [
      ("[", "]"), ("{a: [", "]}"), ("\n - [", "]"), ("!!seq [", "]"), ("\n? [", "]\n: 1"),
    ] {
      var text = "l0: &l0 [1, 2]\n"
      var elements = 2
      for level in 1...levels {
        let aliases = Array(repeating: "*l\(level - 1)", count: width).joined(separator: ", ")
        text += "l\(level): &l\(level) " + start + aliases + end + "\n"
        elements *= width
      }
      let bytes = YAMLExpansion(text).bytes
      #expect(bytes >= elements, "\(text)")
      #expect(bytes >= text.utf8.count)
    }
  }

  /// What is redefined counts from its first place, so that no text in between hides the rest.
  @Test func anAnchorCountsFromItsFirstPlace() {
    let once = "a: &x [1, 2, 3]\nb: *x\n"
    let twice = "a: &x [1, 2, 3]\n# &x\nb: *x\n"
    #expect(YAMLExpansion(twice).bytes >= YAMLExpansion(once).bytes)
  }

  /// Twice as much with every level, without overflow.
  @Test func hundredsOfLevelsAreTooMuch() {
    var text = "l0: &l0 [1]\n"
    for level in 1...300 { text += "l\(level): &l\(level) [*l\(level - 1), *l\(level - 1)]\n" }
    #expect(YAMLExpansion(text).bytes > TrainingConfiguration.mostExpandedBytes)
  }

  /// Every key with a value of its own is far from the limit.
  @Test func aResolvedConfigurationIsSmall() {
    #expect(TrainingConfiguration().yaml.utf8.count * 10 < TrainingConfiguration.mostBytes)
  }
}
