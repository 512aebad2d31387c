import Foundation
import Testing

@testable import Formats

@Suite struct HomeFolderTests {
  private static let home = ProcessInfo.processInfo.environment["HOME"] ?? NSHomeDirectory()

  @Test(arguments: ["", "/", "/x.npy", "/a/~/b"]) func aTildeIsTheHomeFolder(rest: String) {
    let home = Self.home.hasSuffix("/") && rest.hasPrefix("/") ? "" : Self.home
    #expect(withHomeFolder("~" + rest) == home + rest)
  }

  @Test(.enabled(if: getpwnam("root") != nil)) func aNameIsThatOfItsUser() throws {
    let folder = try #require(getpwnam("root")?.pointee.pw_dir)
    #expect(withHomeFolder("~root/x.npy") == String(cString: folder) + "/x.npy")
  }

  @Test(arguments: ["", "x.npy", "./~", "a/~/b", "/~", "~no such user/x", "x~"])
  func otherPathsStayAsTheyAre(path: String) {
    #expect(withHomeFolder(path) == path)
  }
}
