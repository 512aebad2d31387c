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
    #expect(LoweredNest(nest, writing: role, context: Context(path: .fast)).strided == nil)
    #expect(LoweredNest(nest, writing: role, context: Context(path: .direct)).blocked != nil)
    #expect(LoweredNest(nest, writing: role, context: Context(path: .openblas)).blocked == nil)
    let reference = LoweredNest(nest, writing: role, context: Context(path: .reference))
    #expect(reference.blocked == nil && !callsLibrary(reference.strided?.kernel))
  }

  @Test func openBLASRunsProducts() {
    #expect(
      callsLibrary(
        LoweredNest(Self.product, writing: .result, context: Context(path: .openblas)).strided?
          .kernel))
  }

  @Test(arguments: [
    ([:], KernelPath.fast), (["CONVOY_KERNELS": ""], .fast), (["CONVOY_KERNELS": "fast"], .fast),
    (["CONVOY_KERNELS": "openblas"], .openblas), (["CONVOY_KERNELS": "reference"], .reference),
    (["CONVOY_THREADS": "reference"], .fast),
  ])
  func theEnvironmentNamesThePath(environment: [String: String], path: KernelPath) throws {
    #expect(try KernelPath(environment: environment) == path)
    #expect(try Context(environment: environment) == Context(path: path))
  }

  @Test(arguments: ["Fast", "reference ", "mkl"])
  func otherNamesAreRefused(name: String) {
    let error = KernelEnvironmentError.unknown(
      variable: "CONVOY_KERNELS", value: name,
      expected: ["fast", "direct", "openblas", "reference"])
    #expect(throws: error) { try KernelPath(environment: ["CONVOY_KERNELS": name]) }
    #expect(
      "\(error)" == "CONVOY_KERNELS is '\(name)'; expected fast, direct, openblas or reference")
  }

  @Test func theEnvironmentLimitsTheInstructions() throws {
    #expect(try InstructionSet.limit(in: [:]) == nil)
    #expect(try InstructionSet.limit(in: ["CONVOY_INSTRUCTIONS": ""]) == nil)
    for set in InstructionSet.allCases {
      #expect(try InstructionSet.limit(in: ["CONVOY_INSTRUCTIONS": set.rawValue]) == set)
    }
    let error = KernelEnvironmentError.unknown(
      variable: "CONVOY_INSTRUCTIONS", value: "sse", expected: ["avx512", "avx2", "any"])
    #expect(throws: error) { try InstructionSet.limit(in: ["CONVOY_INSTRUCTIONS": "sse"]) }
    #expect(throws: error) { try Context(environment: ["CONVOY_INSTRUCTIONS": "sse"]) }
    let least = try Context(environment: ["CONVOY_INSTRUCTIONS": "any"])
    #expect(least.instructions == .any && least.path == .fast)
  }

  /// A context asks for no instructions that would end the process.
  @Test func instructionsThatTheProcessorLacksGiveWay() {
    for set in InstructionSet.allCases {
      let found = Context(instructions: set).instructions
      #expect(found == (InstructionSet.available.contains(set) ? set : .widest))
    }
    #expect(InstructionSet.available.last == .any)
  }
}
