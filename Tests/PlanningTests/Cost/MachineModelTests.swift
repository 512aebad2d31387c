import Foundation
import Testing

@testable import Planning

@Suite struct MachineModelTests {
  /// Numbers that are easy to work with by hand.
  static let machine = MachineModel(
    name: "hand", flopsPerSecond: 10, memoryBytesPerSecond: 4,
    insideNode: .init(latencySeconds: 1, bytesPerSecond: 2),
    betweenNodes: .init(latencySeconds: 3, bytesPerSecond: 0.5), ranksPerNode: 2,
    threadsPerRank: 5)

  @Test func computingTakesTheLongerOfArithmeticAndMemory() {
    // 2·100 / (10·5) = 4 s against 8 / 4 = 2 s, and against 40 / 4 = 10 s.
    #expect(Self.machine.computeSeconds(macs: 100, bytes: 8) == 4)
    #expect(Self.machine.computeSeconds(macs: 100, bytes: 40) == 10)
    #expect(Self.machine.computeSeconds(macs: 0, bytes: 0) == 0)
  }

  @Test func communicatingTakesLatencyAndBandwidth() {
    // 3 messages of together 8 bytes: 3·1 + 8/2 on the node, 3·3 + 8/0.5 between nodes.
    let machine = Self.machine
    #expect(machine.communicationSeconds(messages: 3, bytes: 8, crossesNodes: false) == 7)
    #expect(machine.communicationSeconds(messages: 3, bytes: 8, crossesNodes: true) == 25)
    #expect(machine.communicationSeconds(messages: 0, bytes: 0, crossesNodes: true) == 0)
  }

  @Test func theStandardIsValidAndItsNodesAreFasterInside() throws {
    let standard = try MachineModel.standard.validated()
    #expect(standard == .standard)
    #expect(standard.insideNode.latencySeconds < standard.betweenNodes.latencySeconds)
    #expect(standard.insideNode.bytesPerSecond > standard.betweenNodes.bytesPerSecond)
  }

  /// The keys of a machine file.
  @Test func theJSONIsPlain() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let text = String(decoding: try encoder.encode(Self.machine), as: UTF8.self)
    #expect(
      text == """
        {"betweenNodes":{"bytesPerSecond":0.5,"latencySeconds":3},"flopsPerSecond":10,\
        "insideNode":{"bytesPerSecond":2,"latencySeconds":1},"memoryBytesPerSecond":4,\
        "name":"hand","ranksPerNode":2,"threadsPerRank":5}
        """)
    #expect(try JSONDecoder().decode(MachineModel.self, from: Data(text.utf8)) == Self.machine)
  }

  struct Fault: Sendable, CustomTestStringConvertible {
    let message: String
    let change: @Sendable (inout MachineModel) -> Void
    var testDescription: String { message }
  }

  static let faults = [
    Fault(message: "flopsPerSecond is 0.0; expected a number from 1.0 to 1e+24") {
      $0.flopsPerSecond = 0
    },
    Fault(message: "memoryBytesPerSecond is inf; expected a number from 1.0 to 1e+24") {
      $0.memoryBytesPerSecond = .infinity
    },
    Fault(message: "insideNode.latencySeconds is -1.0; expected a number from 1e-15 to 1000000.0") {
      $0.insideNode.latencySeconds = -1
    },
    Fault(message: "insideNode.bytesPerSecond is nan; expected a number from 1.0 to 1e+24") {
      $0.insideNode.bytesPerSecond = .nan
    },
    Fault(message: "betweenNodes.latencySeconds is 0.0; expected a number from 1e-15 to 1000000.0")
    {
      $0.betweenNodes.latencySeconds = 0
    },
    Fault(message: "betweenNodes.bytesPerSecond is -inf; expected a number from 1.0 to 1e+24") {
      $0.betweenNodes.bytesPerSecond = -.infinity
    },
    Fault(message: "ranksPerNode is 0; expected a whole number from 1 to 1073741824") {
      $0.ranksPerNode = 0
    },
    Fault(message: "threadsPerRank is -3; expected a whole number from 1 to 1073741824") {
      $0.threadsPerRank = -3
    },
  ]

  @Test(arguments: faults) func whatIsNotPositiveIsNamed(_ fault: Fault) {
    // The machine made for hand calculation is slower than one that is taken for measured.
    var machine = Self.machine
    machine.betweenNodes.bytesPerSecond = 1
    #expect(throws: Never.self) { try machine.validated() }
    fault.change(&machine)
    let error = #expect(throws: MachineModelError.self) { try machine.validated() }
    #expect(error?.description == fault.message)
  }
}

/// α and β from timings.
@Suite struct LinkFitTests {
  typealias Timing = MachineModel.Link.Timing

  static let sizes = [8.0, 64, 512, 4096, 32768, 262144, 2_097_152, 16_777_216]

  @Test(arguments: [(1e-6, 5e9), (2e-5, 1.25e9), (1e-3, 1e6)])
  func aLineIsFound(latency: Double, rate: Double) throws {
    let link = try MachineModel.Link(
      fitting: Self.sizes.map { Timing(bytes: $0, seconds: latency + $0 / rate) })
    #expect(abs(link.latencySeconds / latency - 1) < 1e-9)
    #expect(abs(link.bytesPerSecond / rate - 1) < 1e-9)
  }

  /// Errors of ±10 % of each time move the result by about as much, α too: it does not drown in
  /// the absolute errors of long messages, here up to 300 times α.
  @Test func noiseIsWeighedByTheTimeItself() throws {
    let timings = Self.sizes.enumerated().map { index, bytes in
      Timing(bytes: bytes, seconds: (1e-6 + bytes / 5e9) * (index.isMultiple(of: 2) ? 1.1 : 0.9))
    }
    let link = try MachineModel.Link(fitting: timings)
    #expect(abs(link.latencySeconds / 1e-6 - 1) < 0.12)
    #expect(abs(link.bytesPerSecond / 5e9 - 1) < 0.12)
  }

  @Test func aNegativeLatencyBecomesTheShortestTime() throws {
    let link = try MachineModel.Link(
      fitting: [Timing(bytes: 10, seconds: 1), Timing(bytes: 100, seconds: 20)])
    #expect(link.latencySeconds == 1)
    #expect(link.bytesPerSecond > 0)
  }

  @Test func timesThatFallBecomeTheLongestRate() throws {
    let link = try MachineModel.Link(
      fitting: [Timing(bytes: 10, seconds: 2), Timing(bytes: 100, seconds: 1)])
    #expect(link.latencySeconds > 0)
    #expect(link.bytesPerSecond == 100)
  }

  @Test(arguments: [
    [], [Timing(bytes: 8, seconds: 1)],
    [Timing(bytes: 8, seconds: 1), Timing(bytes: 8, seconds: 2)],
    [Timing(bytes: 8, seconds: 0), Timing(bytes: 80, seconds: 2)],
    [Timing(bytes: 8, seconds: 1), Timing(bytes: 80, seconds: .nan)],
  ])
  func whatNoLineGoesThroughIsRefused(_ timings: [Timing]) {
    #expect(throws: MachineModelError.unfitTimings(count: timings.count)) {
      try MachineModel.Link(fitting: timings)
    }
  }
}
