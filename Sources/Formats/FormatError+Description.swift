#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

extension FormatError: CustomStringConvertible {
  /// The file the error is about.
  public var path: String {
    switch self {
    case .system(let path, _, _), .notAFile(let path), .notSeekable(let path),
      .unreadPipe(let path), .vanished(let path), .foreignLink(let path, _), .tooLong(let path, _),
      .notEnoughMemory(let path, _, _), .compressedTooShort(let path, _, _, _),
      .truncated(let path, _, _, _), .trailingData(let path, _), .corruptCompression(let path, _),
      .malformed(let path, _, _, _, _), .unsupportedElementType(let path, _, _),
      .shapeTooLarge(let path, _, _), .sizeMismatch(let path, _, _, _, _),
      .misplacedTensor(let path, _, _, _), .duplicateName(let path, _), .reservedName(let path, _):
      path
    }
  }

  /// The `errno` of what the operating system refused; nil for other failures.
  public var code: Int32? {
    guard case .system(_, _, let code) = self else { return nil }
    return code
  }

  /// One line for people: the file, what was found, what was expected and, where one exists, the
  /// fix.
  public var description: String { "\(printable(path)): \(problem)" }

  private var problem: String {
    switch self {
    case .system(_, let operation, let code):
      return "cannot \(printable(operation)): \(String(cString: strerror(code)))"
    case .notAFile:
      return "this is not a file (a folder, a device or a pipe); expected a regular file"
    case .notSeekable:
      return "this is a pipe or a terminal, and several processes, each at a position of its own, "
        + "cannot write to it; name a file"
    case .unreadPipe:
      return "this is a pipe that nobody reads; start what reads it first, or name a file"
    case .vanished:
      return
        "the file was removed or replaced while it was being written to; start again, or resume"
    case .foreignLink(_, let link):
      return "'\(printable(link))' is a symbolic link of another user, which root does not follow; "
        + "name the place itself"
    case .tooLong(_, let limit):
      return "is longer than \(limit) bytes, and so no file of the kind that is read here"
    case .notEnoughMemory(_, let needed, let available):
      return "reading it takes \(needed) bytes of memory, but there "
        + (available > 0 ? "are \(available)" : "are not as many")
        + "; use a smaller file, or a machine with more memory"
    case .compressedTooShort(_, let part, let expected, let most):
      return "truncated in the \(part): expected at least \(expected) bytes, but what is packed "
        + "can be no more than \(most)"
    case .truncated(_, let part, let expected, let found):
      return "truncated in the \(printable(part)): expected at least \(expected) bytes, "
        + "found \(found)"
    case .trailingData(_, let position):
      return "by its header the file ends at byte \(position), but more data follows"
    case .corruptCompression(_, let reason):
      return "the gzip data is damaged (\(printable(reason))); fetch or compress the file again"
    case .malformed(_, let part, let position, let found, let expected):
      return "\(part), byte \(position): found \(printable(found)), "
        + "expected \(printable(expected))"
    case .unsupportedElementType(_, let found, let supported):
      return "element type \(printable(found)) is not supported; convert the file to \(supported)"
    case .shapeTooLarge(_, let tensor, let shape):
      let owner = tensor.map { "tensor '\(printable($0))': " } ?? ""
      return "\(owner)shape \(text(shape)) has more bytes than a file can hold"
    case .sizeMismatch(_, let tensor, let shape, let expected, let found):
      return "tensor '\(printable(tensor))': shape \(text(shape)) needs \(expected) bytes, "
        + "but the header gives it \(found)"
    case .misplacedTensor(_, let tensor, let expected, let found):
      let fault = found < expected ? "overlaps the tensor before it" : "leaves a hole before it"
      return "tensor '\(printable(tensor))' \(fault): its data starts at \(found), "
        + "expected \(expected)"
    case .duplicateName(_, let name):
      return "the name '\(printable(name))' occurs twice; names must be distinct"
    case .reservedName(_, let name):
      return "a tensor cannot be named '\(printable(name))', which the format reserves; "
        + "choose another name"
    }
  }
}

/// A shape, of which a damaged file may have a million extents.
private func text(_ shape: [Int]) -> String {
  let most = 32
  return shape.count <= most
    ? "\(shape)" : "[\(shape[..<most].map(String.init).joined(separator: ", ")), …]"
}

/// "93 4e 55", for `found` and `expected`.
func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}
