#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A path with `~` at its beginning replaced by the home folder, and `~name` by that of another user, as shells do:
/// they leave it alone in `--out=~/x.npy` and between quotes.
///
/// ```swift
/// withHomeFolder("~/x.npy")   // /home/ada/x.npy
/// withHomeFolder("./~")       // ./~
/// ```
///
/// - Returns: the path as it is, if it does not begin so, or there is no such user.
public func withHomeFolder(_ path: String) -> String {
  guard path.hasPrefix("~") else { return path }
  let name = path.dropFirst().prefix { $0 != "/" }
  guard let home = homeFolder(of: String(name)) else { return path }
  let rest = path.dropFirst(1 + name.count)
  // The home folder of some is the root.
  return rest.hasPrefix("/") && home.hasSuffix("/") ? home + rest.dropFirst() : home + rest
}

/// - Parameter name: of a user; empty for this one, whose environment comes first.
private func homeFolder(of name: String) -> String? {
  if name.isEmpty, let home = getenv("HOME"), home.pointee != 0 { return String(cString: home) }
  guard let user = name.isEmpty ? getpwuid(getuid()) : getpwnam(name),
    let home = user.pointee.pw_dir
  else { return nil }
  return String(cString: home)
}
