/// An argument as a shell reads it: in quotes where it has to be.
func shellQuoted(_ argument: String) -> String {
  let isPlain = argument.utf8.allSatisfy {
    switch $0 {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "/._-+:,=@%".utf8.contains($0)
    }
  }
  guard !isPlain || argument.isEmpty else { return argument }
  return "'" + argument.replacing("'", with: "'\\''") + "'"
}
