import Kernels

extension Context {
  /// Every path, and the fast one with lesser instructions too: what kernels compute is tested on each.
  public static let tested: [Context] =
    KernelPath.allCases.map { Context(path: $0) }
    + InstructionSet.available.filter { $0 != .widest }.map { Context(instructions: $0) }

  /// All kernels, those of OpenBLAS, and loops alone: what is made of kernels is tested on each.
  public static let paths: [Context] = [KernelPath.fast, .openblas, .reference].map {
    Context(path: $0)
  }
}
