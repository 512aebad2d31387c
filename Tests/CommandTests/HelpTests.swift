import Testing

/// What `convoy` tells about itself.
@Suite struct HelpTests {
  /// The commands of design.md's list.
  @Test func theHelpListsTheCommandsThatThereAre() throws {
    let run = try Convoy.run(["--help"], in: TestFolder())
    #expect(run.code == 0)
    #expect(run.errors == "")
    let list = try #require(run.output.split(separator: "SUBCOMMANDS:\n").last)
      .split(separator: "\n", omittingEmptySubsequences: false).prefix { !$0.isEmpty }
    let commands = list.compactMap { line in
      line.hasPrefix("  ") && !line.hasPrefix("   ") ? line.split(separator: " ").first : nil
    }
    #expect(commands == ["plan", "contract", "describe", "train", "bench", "calibrate", "doctor"])
    for command in commands {
      let help = try Convoy.run([String(command), "--help"], in: TestFolder())
      #expect(help.code == 0)
      #expect(help.output.contains("USAGE: convoy \(command)"))
    }
  }

  @Test func theHelpOfTrainNamesEveryKey() throws {
    let help = try Convoy.run(["train", "--help"], in: TestFolder()).output
    for key in [
      "seed", "output", "model.network", "model.layers", "model.form", "model.compression",
      "data.kind", "data.path",
      "training.epochs", "training.batchSize", "training.maxSteps", "training.checkpointing",
      "optimizer.kind", "optimizer.learningRate",
    ] {
      #expect(help.contains("\(key): "), "\(key)")
    }
  }

  @Test func theVersionIsANumber() throws {
    let run = try Convoy.run(["--version"], in: TestFolder())
    #expect(run.code == 0)
    #expect(run.output.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil, "it says: \(run.output)")
  }

  @Test func theDoctorFindsThisMachineWell() throws {
    let run = try Convoy.run(["doctor"], in: TestFolder())
    #expect(run.code == 0, "it says: \(run.errors)")
    let names = run.output.split(separator: "\n").map { $0.prefix(16) }
    for name in [
      "convoy", "processors", "this run", "BLAS", "kernels", "MPI library", "Fashion-MNIST",
    ] {
      #expect(names.contains { $0.hasPrefix(name) }, "\(name)")
    }
    #expect(run.output.contains("\nthis run        1 rank"))
    #expect(run.output.contains(/this machine, \d+ threads? each unless --threads/))
    #expect(!run.output.contains("\0"))
  }
}
