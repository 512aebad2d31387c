/// A text as it stands in XML, in an element or in a quoted attribute.
package func xmlText(_ text: String) -> String {
  text.reduce(into: "") { result, character in
    switch character {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    // Control characters may not stand in XML at all.
    case let character where character.unicodeScalars.contains { $0.value < 32 }: result += " "
    default: result.append(character)
    }
  }
}
