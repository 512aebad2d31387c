import Foundation
import Testing

@testable import Planning

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// The drawing of a contraction tree as what reads it sees it: XML with boxes and texts in places.
@Suite struct ExplainDrawingTests {
  /// One drawing, read by an XML parser.
  final class Drawing: NSObject, XMLParserDelegate {
    struct Box {
      let x: Int
      let y: Int
      let width: Int
      let height: Int

      func meets(_ other: Box) -> Bool {
        x < other.x + other.width && other.x < x + width && y < other.y + other.height
          && other.y < y + height
      }

      /// Whether a line meets it, which is drawn from point to point.
      func meets(_ line: [(x: Double, y: Double)]) -> Bool {
        line.contains {
          Double(x) <= $0.x && $0.x <= Double(x + width) && Double(y) <= $0.y
            && $0.y <= Double(y + height)
        }
      }

      func contains(_ other: Box) -> Bool {
        x <= other.x && y <= other.y && other.x + other.width <= x + width
          && other.y + other.height <= y + height
      }
    }

    private(set) var isValid = false
    private(set) var size = Box(x: 0, y: 0, width: 0, height: 0)
    /// By class.
    private(set) var boxes: [String: [Box]] = [:]
    private(set) var texts: [String] = []
    private(set) var edgeCount = 0
    /// Points of the lines, close to each other.
    private(set) var edges: [[(x: Double, y: Double)]] = []
    /// What the letters of edges' labels cover, of 11 pixels' height.
    private(set) var labels: [Box] = []
    private var label: (x: Int, y: Int)?
    private var text: String?

    init(_ svg: String) {
      super.init()
      let parser = XMLParser(data: Data(svg.utf8))
      parser.delegate = self
      isValid = parser.parse()
    }

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) {
      func number(_ key: String) -> Int { attributes[key].flatMap(Int.init) ?? 0 }
      switch name {
      case "svg":
        size = Box(x: 0, y: 0, width: number("width"), height: number("height"))
      case "rect":
        boxes[attributes["class"] ?? "", default: []].append(
          Box(x: number("x"), y: number("y"), width: number("width"), height: number("height")))
      case "path":
        edgeCount += 1
        edges.append(Self.points(attributes["d"] ?? ""))
      case "text":
        text = ""
        label = attributes["class"] == "label" ? (number("x"), number("y")) : nil
      default: break
      }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text?.append(string) }

    func parser(
      _ parser: XMLParser, didEndElement name: String, namespaceURI: String?,
      qualifiedName: String?
    ) {
      guard name == "text", let text else { return }
      texts.append(text)
      if let label {
        labels.append(Box(x: label.x, y: label.y - 9, width: 6 * text.count, height: 12))
      }
      self.text = nil
    }

    /// Of a cubic Bézier curve, `M x y C x y x y x y`.
    private static func points(_ path: String) -> [(x: Double, y: Double)] {
      let numbers = path.split { !$0.isNumber && $0 != "-" }.compactMap { Double($0) }
      guard numbers.count == 8 else { return [] }
      return (0...400).map { step in
        let t = Double(step) / 400
        let weights = [
          (1 - t) * (1 - t) * (1 - t), 3 * t * (1 - t) * (1 - t), 3 * t * t * (1 - t), t * t * t,
        ]
        return (
          (0..<4).reduce(0) { $0 + weights[$1] * numbers[2 * $1] },
          (0..<4).reduce(0) { $0 + weights[$1] * numbers[2 * $1 + 1] }
        )
      }
    }
  }

  /// A heading, cut where its box ends.
  static func shown(_ text: String) -> String {
    text.count <= 30 ? text : text.prefix(29) + "…"
  }

  static func check(_ plan: DistributedPlan) -> Drawing {
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    let drawing = Drawing(explanation.drawing)
    #expect(drawing.isValid, "\(explanation.drawing)")
    #expect(drawing.boxes["operand"]?.count == plan.inputs.count)
    #expect(drawing.boxes["step"]?.count == plan.steps.count)
    #expect(drawing.edgeCount == plan.plan.steps.reduce(0) { $0 + $1.operands.count })
    let boxes = (drawing.boxes["operand"] ?? []) + (drawing.boxes["step"] ?? [])
    for (index, box) in boxes.enumerated() {
      #expect(drawing.size.contains(box))
      #expect(!boxes[..<index].contains { $0.meets(box) })
    }
    #expect(drawing.edges.allSatisfy { !$0.isEmpty } && drawing.labels.count == drawing.edgeCount)
    for (index, label) in drawing.labels.enumerated() {
      #expect(!drawing.labels[..<index].contains { $0.meets(label) })
      // Of many boxes and lines those nearby are enough.
      let near = Drawing.Box(x: label.x - 300, y: label.y - 300, width: 900, height: 600)
      #expect(!boxes.contains { $0.meets(near) && $0.meets(label) })
      #expect(!drawing.edges.contains { near.meets([$0[0]]) && label.meets($0) })
    }
    return drawing
  }

  @Test func aProductHasThreeBoxesAndTwoEdges() throws {
    let plan = try ExplainTests.plan("ij,jk->ik", [[64, 64], [64, 64]], ranks: 8)
    let drawing = Self.check(plan)
    let seconds = PlanExplanation(plan, machine: .standard, elementBytes: 4).steps[0].seconds
    #expect(
      drawing.texts == [
        "ij,jk->ik on 8 ranks", "i/4 j/2 · 2,048 B", "j/4 k/2 · 2,048 B", "operand 0: ij", "64×64",
        "starts i/4 j/2", "operand 1: jk", "64×64", "starts j/4 k/2", "ij,jk->ik",
        "grid i2 j2 k2", "32,768 macs · \(secondsText(seconds))", "rests i/4 k/2 · 2,048 B",
      ])
  }

  @Test(arguments: 1...12) func everyStepOfATreeIsDrawn(operands: Int) throws {
    let chain = (0..<operands).map { "(m\($0))(m\($0 + 1))" }.joined(separator: ",")
    let shapes = (0..<operands).map { [4 + 2 * ($0 % 3), 4 + 2 * (($0 + 1) % 3)] }
    let bound = try BoundExpression("\(chain)->(m0)(m\(operands))", shapes: shapes)
    for optimizer in [Optimizer.leftToRight, .optimal] {
      let plan = try DistributedPlan(
        bound, options: .init(ranks: 4, objective: .bytes, optimizer: optimizer))
      let drawing = Self.check(plan)
      for step in plan.plan.steps {
        let text = plan.plan.contractionText(step)
        #expect(drawing.texts.contains(Self.shown(text)), "\(text)")
      }
    }
  }

  @Test(arguments: 0..<12) func randomPlansAreDrawnWithoutOverlaps(seed: Int) throws {
    let expression = DistributionExamples.random(operands: 2 + seed % 4, modes: 3...5, seed: seed)
    let plan = try DistributedPlan(
      expression, options: .init(ranks: 1 + seed, objective: .time))
    _ = Self.check(plan)
  }

  /// 400 operands from left to right: no recursion that could overflow, and on one rank.
  @Test func aLongChainIsDrawn() throws {
    let chain = (0..<400).map { "(m\($0))(m\($0 + 1))" }.joined(separator: ",")
    let bound = try BoundExpression(
      chain + "->(m0)(m400)", shapes: Array(repeating: [2, 2], count: 400))
    let plan = try Plan(bound, options: PlanOptions(optimizer: .leftToRight))
    let drawing = Self.check(DistributedPlan(alone: plan))
    let texts = Set(drawing.texts)
    let missing = plan.steps.map(plan.contractionText).map(Self.shown).filter {
      !texts.contains($0)
    }
    #expect(missing.isEmpty)
  }
}
