import Collectives
import Execution
import Kernels
import Partitioning
import Planning
import TestSupport
import Testing

/// Distributed runs worked out by hand, what they report, and what they refuse.
@Suite struct DistributedContractionTests {
  /// `ij,jk->ik` with A (8×6) and B (6×4) on 4 ranks, each contracted index on one of two halves,
  /// rows on the other axis.
  static func matmul(partial: Bool = false) throws -> DistributedPlan {
    let plan = try Plan(BoundExpression("ij,jk->ik", shapes: [[8, 6], [6, 4]]))
    let mesh = Mesh(axes: [2, 2])
    let modes = StepModes(plan.steps[0])
    let grid = StepGrid(
      mesh: mesh,
      cuts: [.init(mode: 0, extent: 8, axes: [0]), .init(mode: 1, extent: 6, axes: [1])])
    let result = Layout(shape: [8, 4], mesh: mesh, axes: [[0], [1]])
    return DistributedPlan(
      plan: plan, mesh: mesh,
      inputs: [
        Layout(shape: [8, 6], mesh: mesh, axes: [[0], [1]]),
        Layout(shape: [6, 4], mesh: mesh, axes: [[1, 0], []]),
      ],
      steps: [
        StepDistribution(
          grid: grid, operands: [modes.operand(0, on: grid), modes.operand(1, on: grid)],
          computed: modes.result(on: grid), result: result)
      ], output: result,
      search: SearchSummary(objective: .bytes, isExact: false, cost: 0, lowerBound: 0))
  }

  /// A is where it is needed. Of B a rank needs 3 rows and has 1 or 2 (6 rows in halves, then in
  /// halves: 1, 2, 1, 2); of its 4×4 terms it keeps the sums of 4×2, and gets as many from its peer.
  @Test(arguments: Context.paths)
  func bytesAndPeakOfAMatrixProductAreAsWorkedOutByHand(context: Context) throws {
    let plan = try Self.matmul()
    let schedule = try RunSchedule(plan, context: context)
    for rank in 0..<4 {
      let own = plan.inputs[1].box(of: rank).count
      #expect(own == (rank < 2 ? 4 : 8))
      #expect(schedule.receivedBytes(rank: rank, elementBytes: 8) == (12 - own + 8) * 8)
      // Boxes of A (4×3), B and the needed B (3×4); the terms (4×4) with what comes and goes of them
      // packed, 8 each, and the result (4×2). B is sent and received in place, and released before.
      let reducing = 12 + own + 16 + 8 + 8 + 8
      let computing = 12 + own + 12 + 16
      let peak = schedule.peakBytes(rank: rank, elementBytes: 8)
      #expect(peak >= max(reducing, computing) * 8)
      // Without the kernel's workspace, whose size is its own business.
      #expect(peak <= max(reducing, computing + 3 * 16 + 16) * 8)
      #expect(
        try DistributedContraction<Double>.predictedPeakBytes(
          plan, rank: rank, context: context) == peak)
      #expect(
        try DistributedContraction<Float>.predictedReceivedBytes(plan, rank: rank)
          == (12 - own + 8) * 4)
    }
  }

  /// Samples are sharded, weights replicated: the weights' gradients are summed over all ranks and
  /// end up everywhere, each rank receiving 2·(P − 1)/P of them.
  @Test(arguments: Context.paths)
  func dataParallelGradientsAreAnAllReduce(context: Context) throws {
    let plan = try Plan(BoundExpression("bi,ij->bj", shapes: [[8, 6], [6, 4]]))
    let mesh = Mesh(axes: [4])
    let modes = StepModes(plan.steps[0])
    let grid = StepGrid(mesh: mesh, cuts: [.init(mode: 0, extent: 8, axes: [0])])
    let samples = Layout(shape: [8, 4], mesh: mesh, axes: [[0], []])
    let distributed = DistributedPlan(
      plan: plan, mesh: mesh,
      inputs: [
        Layout(shape: [8, 6], mesh: mesh, axes: [[0], []]), .replicated([6, 4], mesh: mesh),
      ],
      steps: [
        StepDistribution(
          grid: grid, operands: [modes.operand(0, on: grid), modes.operand(1, on: grid)],
          computed: samples, result: samples)
      ], output: samples,
      search: SearchSummary(objective: .bytes, isExact: false, cost: 0, lowerBound: 0))
    #expect(modes.result(on: grid) == samples)
    let forward = try RunSchedule(distributed, pass: .recorded, context: context)
    let reverse = try RunSchedule(
      distributed, pass: .reverse(needed: [false, true]), context: context)
    var total = 0
    for rank in 0..<4 {
      #expect(forward.receivedBytes(rank: rank, elementBytes: 4) == 0)
      total += reverse.receivedBytes(rank: rank, elementBytes: 4)
    }
    // 24 weights: every rank receives 3 terms of each of its own and all that are others'.
    #expect(total == 4 * (3 * 24 + 3 * 24))
  }

  /// Gradients of a product whose result and output are replicated: computed alike on all ranks.
  @Test(arguments: Context.paths)
  func gradientsOfReplicatedWorkAreNotCountedTwice(context: Context) throws {
    let plan = try Plan(BoundExpression("ij,jk->ik", shapes: [[3, 2], [2, 5]]))
    let mesh = Mesh(axes: [3])
    let shapes = [[3, 2], [2, 5], [3, 5]]
    let layouts = shapes.map { Layout.replicated($0, mesh: mesh) }
    let distributed = DistributedPlan(
      plan: plan, mesh: mesh, inputs: Array(layouts[..<2]),
      steps: [
        StepDistribution(
          grid: StepGrid(mesh: mesh, cuts: []), operands: Array(layouts[..<2]),
          computed: layouts[2], result: layouts[2])
      ], output: layouts[2],
      search: SearchSummary(objective: .macs, isExact: false, cost: 0, lowerBound: 0))
    let tensors: [Tensor<Double>] = TensorData.smallIntegers.tensors(shapes, seed: 5)
    let reference = ReferenceEvaluator(plan.expression)
    let expected = [0, 1].map {
      reference.gradient(
        ofOperand: $0, operands: Array(tensors[..<2]), outputGradient: tensors[2])
    }
    let results = try runWithGradients(
      RunSchedule(distributed, context: context), Array(tensors[..<2]), outputGradient: tensors[2],
      needed: [true, true])
    for result in results {
      for (gradient, expected) in zip(result.gradients, expected) {
        #expect(gradient?.elements == expected.elements)
      }
    }
  }

  /// (10⁸ + 1) − 10⁸ is 0 in Float, and (10⁸ − 10⁸) + 1 is 1: on every rank the terms are added in
  /// the order of ranks, its own among them.
  @Test(arguments: Context.paths)
  func termsAreAddedInTheOrderOfRanks(context: Context) throws {
    let plan = try Plan(BoundExpression("k,k->", shapes: [[3], [3]]))
    let mesh = Mesh(axes: [3])
    let modes = StepModes(plan.steps[0])
    let grid = StepGrid(mesh: mesh, cuts: [.init(mode: 0, extent: 3, axes: [0])])
    let parts = Layout(shape: [3], mesh: mesh, axes: [[0]])
    let scalar = Layout.replicated([], mesh: mesh)
    let distributed = DistributedPlan(
      plan: plan, mesh: mesh, inputs: [parts, parts],
      steps: [
        StepDistribution(
          grid: grid, operands: [parts, parts], computed: modes.result(on: grid), result: scalar)
      ], output: scalar,
      search: SearchSummary(objective: .bytes, isExact: false, cost: 0, lowerBound: 0))
    let one = Tensor<Float>(shape: [3], elements: [1, 1, 1])
    let terms = Tensor<Float>(shape: [3], elements: [1e8, 1, -1e8])
    let results = try runForward(RunSchedule(distributed, context: context), [terms, one])
    #expect(results.map(\.box.elements) == [[0], [0], [0]])
  }

  /// Uniform data, whose sums depend on the order of addition.
  @Test(arguments: Context.paths)
  func equalRunsGiveEqualBits(context: Context) throws {
    for random in RandomExpressions(seed: 33, limits: .init(iterations: 3_000)).prefix(60) {
      let bound = try random.bound()
      let plan = try Plan(bound, options: PlanOptions(optimizer: .greedy))
      let operands: [Tensor<Float>] = TensorData.uniform.tensors(bound.shapes, seed: random.seed)
      let gradient: Tensor<Float> = TensorData.uniform.tensor(
        bound.outputShape, seed: random.seed, operand: operands.count)
      let needed = operands.map { _ in true }
      for ranks in [3, 4, 6] {
        let sliced = try RunSchedule(
          RandomDistribution(plan, ranks: ranks, seed: random.seed).plan, context: context)
        let boxes = try runForward(sliced, operands).map(\.box)
        #expect(
          sliced.plan.output.assembled(boxes).isConsistent,
          "copies of \(random) on \(ranks) ranks")
        let runs = [boxes.map(\.elements), try runForward(sliced, operands).map(\.box.elements)]
        #expect(runs[0] == runs[1], "\(random) on \(ranks) ranks")
        let whole = try RunSchedule(
          RandomDistribution(plan, ranks: ranks, seed: random.seed, slicing: false).plan,
          context: context)
        let reverse = try (0..<2).map { _ in
          try runWithGradients(whole, operands, outputGradient: gradient, needed: needed)
            .map { $0.gradients.map { $0?.elements } }
        }
        #expect(reverse[0] == reverse[1], "gradients of \(random) on \(ranks) ranks")
        let early = try RunSchedule(sliced.plan, overlap: false, context: context)
        #expect(
          try runForward(early, operands).map(\.box.elements) == runs[0],
          "overlap changes bits of \(random) on \(ranks) ranks")
      }
    }
  }

  @Test(arguments: Context.paths)
  func lessOverlapNeverNeedsMoreMemory(context: Context) throws {
    var saved = 0
    for random in RandomDistributedTests.randoms.prefix(200) {
      let plan = try Plan(random.bound(), options: PlanOptions(optimizer: .greedy))
      let distribution = RandomDistribution(plan, ranks: 4, seed: random.seed).plan
      let early = try RunSchedule(distribution, context: context)
      let late = try RunSchedule(distribution, overlap: false, context: context)
      for rank in 0..<4 {
        let peaks = [late, early].map { $0.peakBytes(rank: rank, elementBytes: 8) }
        #expect(peaks[0] <= peaks[1], "\(random)")
        if peaks[0] < peaks[1] { saved += 1 }
      }
    }
    #expect(saved > 50)
  }

  @Test func theTimelineTellsStepsAndKindsApart() throws {
    let plan = try Self.matmul()
    let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(
      plan.plan.expression.shapes, seed: 1)
    let timelines = try ThreadCommunicator.run(ranks: 4) { communicator in
      let contraction = try DistributedContraction<Double>(plan, communicator: communicator)
      _ = try contraction(
        zip(plan.inputs, operands).map { $0.box(of: $1, rank: communicator.rank) })
      #expect(communicator.step == nil)
      return contraction.timeline
    }
    for timeline in timelines {
      #expect(timeline.events.compactMap(\.role) == [.result])
      // Each is sent, and then received.
      let messages = timeline.events.filter { $0.kind == .communication }
      #expect(
        messages.map(\.text) == [
          "gather operand 1 of 'ij,jk->ik'", "gather operand 1 of 'ij,jk->ik'",
          "reduce the result of 'ij,jk->ik'", "reduce the result of 'ij,jk->ik'",
        ])
      #expect(messages.map { $0.receivedBytes > 0 } == [false, true, false, true])
      // Events do not overlap, and lie within the run.
      for (event, next) in zip(timeline.events, timeline.events.dropFirst()) {
        #expect(event.start + event.duration <= next.start + 1e-9)
      }
      let times = ProgramTimeline.Kind.allCases.map { timeline.seconds($0, of: 0) }
      #expect(times.allSatisfy { $0 > 0 } && times.reduce(0, +) <= timeline.seconds)
    }
  }

  @Test func anotherNumberOfRanksIsRefused() throws {
    let plan = try Self.matmul()
    let error = ExecutionError.rankCount(expression: "ij,jk->ik", planned: 4, found: 3)
    #expect(throws: error) {
      try ThreadCommunicator.run(ranks: 3) {
        _ = try DistributedContraction<Float>(plan, communicator: $0)
      }
    }
    #expect(error.description.contains("made for 4 ranks, but there are 3"))
  }

  @Test func ranksWithDifferentPlansAreToldApart() throws {
    let plan = try Plan(BoundExpression("ij,jk->ik", shapes: [[8, 6], [6, 4]]))
    let plans = (0..<3).map { RandomDistribution(plan, ranks: 3, seed: $0 == 1 ? 8 : 7).plan }
    #expect(throws: CollectiveError.differentValues(what: "plan", ranks: [1])) {
      try ThreadCommunicator.run(ranks: 3) {
        _ = try DistributedContraction<Float>(plans[$0.rank], communicator: $0)
      }
    }
  }

  @Test func boxesOfOtherShapesAreRefused() throws {
    let plan = try Self.matmul()
    let error = ExecutionError.boxShape(
      expression: "ij,jk->ik", operand: 1, rank: 0, expected: [1, 4], found: [6, 4])
    #expect(throws: error) {
      try ThreadCommunicator.run(ranks: 4) { communicator in
        let contraction = try DistributedContraction<Float>(plan, communicator: communicator)
        guard communicator.rank == 0 else { return }
        _ = try contraction([Tensor(shape: [4, 3]), Tensor(shape: [6, 4])])
      }
    }
  }

  /// A convolution of slices: the next step's slice would need results of this step's next slice.
  @Test func slicesThatNeedOtherSlicesAreRefused() throws {
    let bound = try BoundExpression("x,x,x->x|x", shapes: [[16], [3], [3]])
    let plan = try Plan(bound, options: PlanOptions(optimizer: .leftToRight))
    let mesh = Mesh(axes: [1], slices: [2])
    let mode = plan.steps[0].resultModes[0]
    let steps = plan.steps.enumerated().map { index, step in
      let modes = StepModes(step)
      let grid = StepGrid(
        mesh: mesh,
        cuts: [.init(mode: mode, extent: modes.entries[0].extent, axes: [1])])
      let computed = modes.result(on: grid)
      return StepDistribution(
        grid: grid, operands: [0, 1].map { modes.operand($0, on: grid) }, computed: computed,
        result: index == 0 ? computed : .replicated(step.resultShape, mesh: mesh))
    }
    let distributed = DistributedPlan(
      plan: plan, mesh: mesh, inputs: bound.shapes.map { .replicated($0, mesh: mesh) },
      steps: steps, output: .replicated(bound.outputShape, mesh: mesh), slicedMode: mode,
      search: SearchSummary(objective: .bytes, isExact: false, cost: 0, lowerBound: 0))
    #expect(throws: ExecutionError.self) { try RunSchedule(distributed) }
  }

  /// Two of three ranks work: the third has a scalar too, and a 0 in it.
  @Test func ofAScalarRanksBeyondTheMeshHoldZero() throws {
    let plan = try Plan(BoundExpression("k,k->", shapes: [[4], [4]]))
    let mesh = Mesh(axes: [2])
    let modes = StepModes(plan.steps[0])
    let grid = StepGrid(mesh: mesh, cuts: [.init(mode: 0, extent: 4, axes: [0])])
    let parts = Layout(shape: [4], mesh: mesh, axes: [[0]])
    let scalar = Layout.replicated([], mesh: mesh)
    let distributed = DistributedPlan(
      plan: plan, ranks: 3, mesh: mesh, inputs: [parts, parts],
      steps: [
        StepDistribution(
          grid: grid, operands: [parts, parts], computed: modes.result(on: grid), result: scalar)
      ], output: scalar,
      search: SearchSummary(objective: .bytes, isExact: false, cost: 0, lowerBound: 0))
    let tensor = Tensor<Float>(shape: [4], elements: [1, 2, 3, 4])
    let results = try runForward(RunSchedule(distributed), [tensor, tensor])
    #expect(results.map(\.box.elements) == [[30], [30], [0]])
  }

  /// However long it takes, it does not take the time of lowering a kernel for each rank.
  @Test(.timeLimit(.minutes(5))) func predictionsForThousandsOfRanksAreQuick() throws {
    let plan = try Plan(
      BoundExpression("bshw,tshw->bthw|hw", shapes: [[4096, 64, 32, 32], [64, 64, 3, 3]]))
    let distributed = RandomDistribution(plan, ranks: 4096, seed: 3, slicing: false).plan
    let schedule = try RunSchedule(distributed)
    let most = (0..<4096).reduce(0) {
      max(
        $0, schedule.peakBytes(rank: $1, elementBytes: 4),
        schedule.receivedBytes(rank: $1, elementBytes: 4))
    }
    #expect(most > 0)
  }
}
