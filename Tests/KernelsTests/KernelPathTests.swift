import Testing

@testable import Kernels

/// What each path may use, and how a process is given one.
@Suite struct KernelPathTests {
  static let product = ContractionNest(rows: 200, columns: 96, depth: 64)
  static let convolution = BlockedNestTests.convolution(batch: 8, channels: 32, extent: 16)

  private func callsLibrary(_ kernel: InnerKernel?) -> Bool {
    if case .gemm = kernel { true } else { false }
  }

  @Test(arguments: [product, convolution], ContractionNest.Role.allCases)
  func pathsKeepToTheirKernels(nest: ContractionNest, role: ContractionNest.Role) {
    #expect(LoweredNest(nest, writing: role, path: .fast).strided == nil)
    #expect(LoweredNest(nest, writing: role, path: .direct).blocked != nil)
    #expect(LoweredNest(nest, writing: role, path: .openblas).blocked == nil)
    let reference = LoweredNest(nest, writing: role, path: .reference)
    #expect(reference.blocked == nil && !callsLibrary(reference.strided?.kernel))
  }

  @Test func openBLASRunsProducts() {
    #expect(
      callsLibrary(LoweredNest(Self.product, writing: .result, path: .openblas).strided?.kernel))
  }

  @Test(arguments: [
    ([:], KernelPath.fast), (["CONVOY_KERNELS": ""], .fast), (["CONVOY_KERNELS": "fast"], .fast),
    (["CONVOY_KERNELS": "openblas"], .openblas), (["CONVOY_KERNELS": "reference"], .reference),
    (["CONVOY_THREADS": "reference"], .fast),
  ])
  func theEnvironmentNamesThePath(environment: [String: String], path: KernelPath) throws {
    #expect(try KernelPath(environment: environment) == path)
  }

  @Test(arguments: ["Fast", "reference ", "mkl"])
  func otherNamesAreRefused(name: String) {
    #expect(throws: KernelPathError.unknown(name)) {
      try KernelPath(environment: [KernelPath.environmentVariable: name])
    }
    #expect(
      "\(KernelPathError.unknown(name))"
        == "CONVOY_KERNELS is '\(name)'; expected fast, direct, openblas or reference")
  }
}
