import Testing

@testable import ConvoyCommand

/// `CONVOY_KERNELS` as the command takes it.
@Suite struct KernelPathTests {
  /// A product and a convolution of whole numbers, which every path adds up exactly.
  @Test(arguments: [
    ("ij,jk->ik", [[40, 30], [30, 20]]), ("bsh,tsh->bth|h", [[3, 4, 16], [5, 4, 3]]),
  ])
  func everyPathGivesTheResult(expression: String, shapes: [[Int]]) throws {
    let folder = try TestFolder()
    for (index, shape) in shapes.enumerated() {
      let elements = (0..<shape.reduce(1, *)).map { Double(($0 * 7 + index) % 13 - 6) }
      try folder.write(
        "\(index).npy",
        Npy.file(
          Npy.Array(element: .float32, isFortranOrder: false, shape: shape, elements: elements)))
    }
    for path in ["fast", "openblas", "reference"] {
      let run = try Convoy.run(
        ["contract", expression, "0.npy", "1.npy", "--out", "\(path).npy"], in: folder,
        environment: ["CONVOY_KERNELS": path])
      #expect(run.code == 0, "\(run.errors)")
      #expect(try folder.bytes("\(path).npy") == folder.bytes("fast.npy"), "\(path)")
    }
    for instructions in ["avx2", "any"] {
      let run = try Convoy.run(
        ["contract", expression, "0.npy", "1.npy", "--out", "\(instructions).npy"], in: folder,
        environment: ["CONVOY_INSTRUCTIONS": instructions])
      #expect(run.code == 0, "\(run.errors)")
      #expect(try folder.bytes("\(instructions).npy") == folder.bytes("fast.npy"))
    }
  }

  @Test func theDoctorTellsThePath() throws {
    let run = try Convoy.run(
      ["doctor"], in: TestFolder(), environment: ["CONVOY_KERNELS": "reference"])
    #expect(run.code == 0, "\(run.errors)")
    #expect(run.output.contains("\nkernels         reference (loops alone)"), "\(run.output)")
  }

  @Test func theDoctorTellsTheInstructions() throws {
    let run = try Convoy.run(
      ["doctor"], in: TestFolder(), environment: ["CONVOY_INSTRUCTIONS": "any"])
    #expect(run.code == 0, "\(run.errors)")
    #expect(run.output.contains("\ninstructions    any;"), "\(run.output)")
  }

  @Test func unknownInstructionsAreRefused() throws {
    let run = try Convoy.run(
      ["doctor"], in: TestFolder(), environment: ["CONVOY_INSTRUCTIONS": "sse"])
    #expect(run.code == 64)
    #expect(
      run.errors.contains("CONVOY_INSTRUCTIONS is 'sse'; expected avx512, avx2 or any"),
      "\(run.errors)")
  }

  @Test(arguments: [["doctor"], ["plan", "i->i", "--shape", "3"], ["bench", "comm"]])
  func anUnknownPathIsRefused(arguments: [String]) throws {
    let run = try Convoy.run(
      arguments, in: TestFolder(), environment: ["CONVOY_KERNELS": "mkl"])
    #expect(run.code == 64)
    #expect(run.output.isEmpty)
    #expect(
      run.errors.contains("CONVOY_KERNELS is 'mkl'; expected fast, direct, openblas or reference"),
      "\(run.errors)")
  }
}
