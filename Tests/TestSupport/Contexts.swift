import Foundation
import Kernels

/// Whether tests take their time: `CONVOY_TESTS=long`.
public let testsAreLong = ProcessInfo.processInfo.environment["CONVOY_TESTS"] == "long"

extension InstructionSet {
  /// One of those that the processor has after the other, for cases of which there are many; all of them where
  /// tests are long.
  public static func available(turn: Int) -> [InstructionSet] {
    testsAreLong ? available : [available[turn % available.count]]
  }
}

extension Context {
  /// Every path, and the fast one with lesser instructions too: what kernels compute is tested on each.
  public static let tested: [Context] =
    KernelPath.allCases.map { Context(path: $0) }
    + InstructionSet.available.filter { $0 != .widest }.map { Context(instructions: $0) }

  /// All kernels, those of OpenBLAS, and loops alone: what is made of kernels is tested on each.
  public static let paths: [Context] = [KernelPath.fast, .openblas, .reference].map {
    Context(path: $0)
  }

  /// One of `paths` after the other, for cases of which there are many; all of them where tests are long.
  public static func paths(turn: Int) -> [Context] {
    testsAreLong ? paths : [paths[turn % paths.count]]
  }
}
