import Foundation
import Testing

@testable import Planning

@Suite struct ParsingTests {
  /// Expressions that mean the same: `(written, canonical)`.
  static let equivalents = [
    ("ij,jk->ik", "ij,jk->ik"),
    (" i j ,\tj k\n- > i k ", "ij,jk->ik"),
    ("(i)(j),j(k)->(i)k", "ij,jk->ik"),
    ("( r1 )(r_2),(\tr1)x->x", "(r1)(r_2),(r1)x->x"),
    ("(1)a,(1)b->ab", "(1)a,(1)b->ab"),
    ("(_),(_)", "(_),(_)->"),
    ("aB,Ab->Bb", "aB,Ab->Bb"),
    ("bshw,tshw->bthw|hw", "bshw,tshw->bthw|hw"),
    ("bshw,tshw->bthw|h,w", "bshw,tshw->bthw|hw"),
    ("bshw,tshw->bthw|(h)(w)", "bshw,tshw->bthw|hw"),
    ("bshw,tshw->bthw | w , (h)", "bshw,tshw->bthw|wh"),
    ("b(h1)(w1),(h1)(w1)->b(h1)(w1)|(h1)(w1)", "b(h1)(w1),(h1)(w1)->b(h1)(w1)|(h1)(w1)"),
    ("x,x->|x", "x,x->|x"),
    ("xa,xb|x", "xa,xb->abx|x"),
    ("x,x|x", "x,x->x|x"),
    ("ijk,jl,lmq,njpq->ijknp|j", "ijk,jl,lmq,njpq->ijknp|j"),
    ("iij,jj->i", "iij,jj->i"),
    ("", "->"),
    (" ", "->"),
    ("->", "->"),
    (",", ",->"),
    (",i,", ",i,->i"),
    (",->", ",->"),
    ("...i,. . .ij->...j", "...i,...ij->...j"),
    ("a...b", "a...b->...ab"),
    ("ij->...ij", "ij->...ij"),
    ("...x,x->x...|x", "...x,x->x...|x"),
  ]

  @Test(arguments: equivalents)
  func canonicalForm(written: String, canonical: String) throws {
    let expression = try ConvEinsum(written)
    #expect(expression.text == written)
    #expect(expression.description == canonical)
    let again = try ConvEinsum(expression.description)
    #expect(again.operands == expression.operands)
    #expect(again.output == expression.output)
    #expect(again.convolutionModes == expression.convolutionModes)
    #expect(again.description == canonical)
  }

  @Test func terms() throws {
    let expression = try ConvEinsum("b(r1)...h,,(r1)h->...bh|h")
    #expect(
      expression.operands == [
        ConvEinsum.Term(modes: ["b", "r1", "h"], ellipsis: 2),
        ConvEinsum.Term(modes: []),
        ConvEinsum.Term(modes: ["r1", "h"]),
      ])
    #expect(expression.output == ConvEinsum.Term(modes: ["b", "h"], ellipsis: 0))
    #expect(expression.convolutionModes == ["h"])
  }

  /// What numpy 2's einsum makes of the shapes given.
  @Test(arguments: [
    ("...i->i", [[3]], [3]),
    ("...i,...i", [[4, 1, 3], [1, 3]], [4, 1]),
    ("...,...", [[1, 2], [0, 1, 2]], [0, 1, 2]),
    ("b...a,Ca...", [[2, 5, 3], [7, 3, 1]], [5, 7, 2]),
    ("...", [[1]], [1]),
    ("i...i", [[3, 4, 3]], [4]),
    ("ba", [[2, 3]], [3, 2]),
    ("bBaA", [[2, 3, 4, 5]], [5, 3, 4, 2]),
    ("zab,bc", [[2, 3, 4], [4, 5]], [3, 5, 2]),
    ("...a,...b", [[5], [6, 7]], [6, 5, 7]),
    ("a...->...a", [[2, 3, 4]], [3, 4, 2]),
    ("ii", [[3, 3]], []),
    ("iij", [[3, 3, 2]], [2]),
    ("a,a,a", [[2], [2], [2]], []),
    ("i,", [[2], []], [2]),
    ("...,a...", [[1, 4], [2, 3, 1]], [3, 4, 2]),
    ("ij->...ij", [[2, 3]], [2, 3]),
  ])
  func numpyAgrees(text: String, shapes: [[Int]], result: [Int]) throws {
    #expect(try BoundExpression(text, shapes: shapes).outputShape == result)
  }

  @Test func modesAreWrittenAsTheyParse() {
    #expect(Mode("h").description == "h")
    #expect(Mode("r1").description == "(r1)")
    #expect(Mode("1").description == "(1)")
    #expect(Mode("é").description == "(é)")
    #expect(Mode.broadcast(2).description == "...2")
  }

  @Test func codable() throws {
    let expression = try ConvEinsum("x, x | x")
    let data = try JSONEncoder().encode([expression])
    #expect(String(decoding: data, as: UTF8.self) == #"["x, x | x"]"#)
    #expect(try JSONDecoder().decode([ConvEinsum].self, from: data) == [expression])
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([ConvEinsum].self, from: Data(#"["x|y"]"#.utf8))
    }
  }

  @Test func hundredsOfOperands() throws {
    let text = (0..<600).map { "(r\($0))(r\($0 + 1))" }.joined(separator: ",")
    let expression = try ConvEinsum(text)
    #expect(expression.operands.count == 600)
    #expect(expression.output.modes == ["r0", "r600"])
  }
}

@Suite struct NearestNameTests {
  @Test(arguments: [
    ("strid", "stride"), ("Stride", "stride"), ("dialtion", "dilation"), ("pading", "padding"),
    ("correlaton", "correlation"), ("feautre", "feature"),
  ])
  func found(word: String, expected: String) {
    let candidates = ["padding", "stride", "dilation", "correlation", "feature"]
    #expect(nearest(to: word, among: candidates) == expected)
  }

  @Test func notFound() {
    #expect(nearest(to: "x", among: ["stride", "h"]) == nil)
    #expect(nearest(to: "", among: ["h", "w"]) == nil)
    #expect(nearest(to: "stride", among: []) == nil)
  }

  @Test func firstOfEquals() {
    #expect(nearest(to: "rx", among: ["r1", "r2"]) == "r1")
    #expect(nearest(to: "r2", among: ["r1", "r2"]) == "r2")
    #expect(nearest(to: "H", among: ["w", "h"]) == "h")
  }
}
