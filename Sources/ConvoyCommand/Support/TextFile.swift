import Formats
import Foundation

/// Why a small file of text, a machine model or cases, cannot be used before its contents are looked at.
enum TextFileProblem: Equatable {
  case missing, unreadable, notAFile, tooLarge
}

/// The bytes of such a file.
///
/// - Parameter problem: the caller's error for what is wrong with the file.
/// - Throws: that error.
func textFile<Problem: Error>(
  _ path: String, limit: Int, problem: (TextFileProblem) -> Problem
) throws -> Data {
  do throws(FormatError) {
    return Data(try contents(of: path, limit: limit))
  } catch {
    switch error {
    case .tooLong: throw problem(.tooLarge)
    case .system(_, _, ENOENT), .system(_, _, ENOTDIR): throw problem(.missing)
    case .notAFile: throw problem(.notAFile)
    default: throw problem(.unreadable)
    }
  }
}
