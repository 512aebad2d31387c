import Foundation
import Testing

/// `contract` on npy files, with results worked out by hand.
@Suite struct ContractTests {
  struct Example: Sendable, CustomTestStringConvertible {
    var expression: String
    var options: [String] = []
    var operands: [(shape: [Int], elements: [Double])]
    var result: (shape: [Int], elements: [Double])

    var testDescription: String { ([expression] + options).joined(separator: " ") }
  }

  static let examples = [
    Example(
      expression: "ij,jk->ik",
      operands: [([2, 3], [0, 1, 2, 3, 4, 5]), ([3, 2], [0, 1, 2, 3, 4, 5])],
      result: ([2, 2], [10, 13, 28, 40])),
    Example(
      expression: "ij->ji", operands: [([2, 3], [0, 1, 2, 3, 4, 5])],
      result: ([3, 2], [0, 3, 1, 4, 2, 5])),
    Example(
      expression: "ii->", operands: [([2, 2], [1, 2, 3, 4])], result: ([], [5])),
    Example(
      expression: ",i->i", operands: [([], [2]), ([3], [1, 2, 3])], result: ([3], [2, 4, 6])),
    Example(
      expression: "ij,jk->ik", operands: [([2, 0], []), ([0, 2], [])],
      result: ([2, 2], [0, 0, 0, 0])),
    // numpy.convolve's own examples.
    Example(
      expression: "h,h->h|h", options: ["--conv", "h:padding=full"],
      operands: [([3], [1, 2, 3]), ([3], [0, 1, 0.5])], result: ([5], [0, 1, 2.5, 4, 1.5])),
    Example(
      expression: "h,h->h|h", operands: [([3], [1, 2, 3]), ([3], [0, 1, 0.5])],
      result: ([3], [1, 2.5, 4])),
    Example(
      expression: "h,h->h|h", options: ["--conv", "h:padding=valid"],
      operands: [([3], [1, 2, 3]), ([3], [0, 1, 0.5])], result: ([1], [2.5])),
    // x[2i] + 10·x[2i + 1] of 1 … 5, 0 beyond.
    Example(
      expression: "h,h->h|h",
      options: ["--conv", "*:stride=2,kind=correlation,padding=0:1"],
      operands: [([5], [1, 2, 3, 4, 5]), ([2], [1, 10])], result: ([3], [21, 43, 5])),
    // A scalar as it is: the expression begins as an option does.
    Example(expression: "->", operands: [([], [7])], result: ([], [7])),
    // Steps of many times round the circle; 10¹² mod 5 is 0.
    Example(
      expression: "h,h->h|h",
      options: [
        "--conv",
        "h:boundary=circular,padding=full,dilation=1000000000000,stride=1000000000000",
      ],
      operands: [([5], [1, 2, 3, 4, 5]), ([2], [1, 10])], result: ([2], [11, 11])),
    // x[i] + 10·x[i + 1], the indices modulo 3.
    Example(
      expression: "h,h->h|h", options: ["--conv", "h:kind=correlation,boundary=circular"],
      operands: [([3], [1, 2, 3]), ([2], [1, 10])], result: ([3], [21, 32, 13])),
  ]

  @Test(arguments: examples, Npy.Element.allCases)
  func theResultIsTheOneWorkedOutByHand(example: Example, element: Npy.Element) throws {
    for isFortranOrder in [false, true] {
      let folder = try TestFolder()
      let files = example.operands.indices.map { "\($0).npy" }
      for (file, operand) in zip(files, example.operands) {
        let elements =
          isFortranOrder ? Self.columnMajor(operand.elements, operand.shape) : operand.elements
        try folder.write(
          file,
          Npy.file(
            .init(
              element: element, isFortranOrder: isFortranOrder, shape: operand.shape,
              elements: elements)))
      }
      let run = try Convoy.run(
        ["contract", example.expression] + files + ["--out", "result.npy"] + example.options,
        in: folder)
      #expect(run.code == 0, "it says: \(run.errors)")
      #expect(run.output + run.errors == "")
      #expect(folder.names == (files + ["result.npy"]).sorted())
      #expect(
        try Npy.read(folder.bytes("result.npy"))
          == .init(
            element: element, isFortranOrder: false, shape: example.result.shape,
            elements: example.result.elements))
    }
  }

  /// The JSON of `--report`.
  struct Report: Decodable {
    struct Bytes: Decodable {
      var bytesReceivedPerRank: [Int]
      var peakBytesPerRank: [Int]
    }

    var ranks: Int
    var seconds: Double
    var predicted: Bytes
    var measured: Bytes
    var hash: String
  }

  static let reported: [(expression: String, shapes: [[Int]], rules: [String])] = [
    ("ij,jk->ik", [[20, 30], [30, 40]], []),
    ("ij->ji", [[20, 30]], []),
    ("ijk->", [[5, 6, 7]], []),
    ("iij->j", [[9, 9, 4]], []),
    ("i,j,k->ijk", [[7], [8], [9]], []),
    ("ij,jk,kl->il", [[50, 2], [2, 50], [50, 2]], []),
    ("...i,...i->...", [[3, 5, 8], [5, 8]], []),
    ("ijk,jl,lmq,njpq->ijknp|j", [[4, 7, 9], [10, 5], [5, 4, 2], [6, 8, 9, 2]], []),
    (
      "bshw,rt,rs,rh,rw->bthw|hw", [[2, 6, 12, 10], [5, 7], [5, 6], [5, 3], [5, 3]],
      ["*:kind=correlation"]
    ),
    (
      "bshw,tshw->bthw|hw", [[2, 6, 12, 10], [7, 6, 3, 3]],
      ["h:stride=2", "w:boundary=circular"]
    ),
    ("bshw,shw->bshw|hw", [[2, 6, 12, 10], [6, 3, 3]], ["*:padding=1:2,dilation=2"]),
    ("xh,h,h->xh|h", [[3, 40], [5], [7]], ["h:padding=full"]),
    ("bsh,tsh->bt|h", [[2, 3, 20], [4, 3, 3]], []),
  ]

  /// What the plan predicts is what happens, to the byte; `plan` says the same.
  @Test(arguments: reported.indices, Npy.Element.allCases)
  func thePredictedPeakIsTheMeasuredOne(index: Int, element: Npy.Element) throws {
    let (expression, shapes, rules) = Self.reported[index]
    let options = rules.flatMap { ["--conv", $0] }
    let folder = try TestFolder()
    let files = shapes.indices.map { "\($0).npy" }
    for (file, shape) in zip(files, shapes) {
      try folder.writeCounting(file, shape: shape, element: element)
    }
    for optimizer in ["auto", "left-to-right"] {
      let run = try Convoy.run(
        ["contract", expression] + files
          + ["--out", "result.npy", "--report", "report.json", "--optimizer", optimizer] + options,
        in: folder)
      try #require(run.code == 0, "it says: \(run.errors)")
      let report = try JSONDecoder().decode(Report.self, from: folder.bytes("report.json"))
      #expect(report.ranks == 1)
      #expect(report.seconds > 0)
      #expect(report.predicted.bytesReceivedPerRank == [0])
      #expect(report.measured.bytesReceivedPerRank == [0])
      #expect(report.measured.peakBytesPerRank == report.predicted.peakBytesPerRank)
      let plan = try PlanTests.report(
        ["plan", expression, "--optimizer", optimizer]
          + ["--dtype", element == .float32 ? "float32" : "float64"] + options
          + shapes.flatMap { ["--shape", $0.map(String.init).joined(separator: ",")] })
      #expect(plan.peakBytesPerRank == report.predicted.peakBytesPerRank.map(Double.init))
    }
  }

  private struct PlanForTime: Decodable {
    struct Running: Decodable, Equatable {
      var path: [[Int]]
      var macs: Double
      var estimatedSeconds: Double
      var peakBytesPerRank: [Int]
      var hash: String
    }

    var path: [[Int]]
    var estimatedSeconds: Double
    var peakBytesPerRank: [Int]
    var hash: String
    var running: Running
  }

  /// What takes long is run in the order that is estimated to be the fastest, unless another objective is asked
  /// for; `plan` says beforehand which order that is, and to the byte what it takes.
  @Test func runsWhatThePlanSaysIsRun() throws {
    let shapes = [[32, 4, 4, 4, 32, 32], [12, 4, 4], [12, 4, 4], [12, 4, 4], [12, 3, 3]]
    let expression = "b(s1)(s2)(s3)hw,r(t1)(s1),r(t2)(s2),r(t3)(s3),rhw->b(t1)(t2)(t3)hw|hw"
    let folder = try TestFolder()
    let files = shapes.indices.map { "\($0).npy" }
    for (file, shape) in zip(files, shapes) {
      try folder.writeCounting(file, shape: shape, element: .float32)
    }
    var plans: [PlanForTime] = []
    for objective in [[], ["--objective", "macs"], ["--objective", "time"]] {
      let options = ["--conv", "*:kind=correlation,padding=same"] + objective
      let planned = try Convoy.run(
        ["plan", expression, "--json"] + options
          + shapes.flatMap { ["--shape", $0.map(String.init).joined(separator: ",")] }, in: folder)
      try #require(planned.code == 0, "it says: \(planned.errors)")
      let plan = try JSONDecoder().decode(PlanForTime.self, from: Data(planned.output.utf8))
      let run = try Convoy.run(
        ["contract", expression] + files + ["--out", "result.npy", "--report", "report.json"]
          + options, in: folder)
      try #require(run.code == 0, "it says: \(run.errors)")
      let report = try JSONDecoder().decode(Report.self, from: folder.bytes("report.json"))
      #expect(report.hash == plan.running.hash)
      #expect(report.measured.peakBytesPerRank == plan.running.peakBytesPerRank)
      #expect(plan.running.estimatedSeconds <= plan.estimatedSeconds)
      if !objective.isEmpty { #expect(plan.running.hash == plan.hash) }
      plans.append(plan)
    }
    #expect(plans[0].hash == plans[1].hash)
    #expect(plans[0].running == plans[2].running)
    #expect(plans[2].path == plans[2].running.path)
    // Rebuilding the kernel takes more work and far less time and memory.
    #expect(plans[2].running.macs > plans[1].running.macs)
    #expect(plans[2].peakBytesPerRank[0] < plans[1].peakBytesPerRank[0])
  }

  /// The same elements with the first index fastest.
  private static func columnMajor(_ elements: [Double], _ shape: [Int]) -> [Double] {
    elements.indices.map { place in
      var rest = place
      var source = 0
      for (dimension, extent) in shape.enumerated() {
        source += rest % extent * shape[(dimension + 1)...].reduce(1, *)
        rest /= extent
      }
      return elements[source]
    }
  }
}
