import Testing

/// Bad expressions, shapes, convolution rules and options; `plan` and `contract` read them alike.
@Suite struct BadExpressionTests {
  static let expressions = [
    BadInput(
      "open name", ["plan", "i(j,k->i", "--shape", "2,3", "--shape", "4"],
      """
      convoy: error: found '(' without its ')'
        i(j,k->i
         ^
      Fix: close the name with ')', or leave '(' out
      """),
    BadInput(
      "unknown output mode", ["plan", "ij,jk->iq", "--shape", "2,3", "--shape", "3,4"],
      """
      convoy: error: output mode q is in no operand, expected a mode of the operands
        ij,jk->iq
                ^
      Fix: write q in an operand, or leave it out of the output
      """),
    BadInput(
      "output mode twice", ["plan", "ij,jk->ii", "--shape", "2,3", "--shape", "3,4"],
      """
      convoy: error: mode i stands twice in the output, expected each once
        ij,jk->ii
                ^
      Fix: leave one of them out
      """),
    BadInput(
      "unknown convolution mode", ["plan", "ij->ij|q", "--shape", "2,3"],
      """
      convoy: error: convolution mode q is in no operand, expected a mode of the operands
        ij->ij|q
               ^
      Fix: write q in an operand, or leave it out after '|'
      """),
    BadInput(
      "diagonal of a convolution mode",
      ["plan", "bhh,h->bh|h", "--shape", "2,5,5", "--shape", "4"],
      """
      convoy: error: convolution mode h stands twice in operand 0, expected at most once
        bhh,h->bh|h
          ^
      Fix: name the two dimensions differently: a convolution mode has no diagonal
      """),
    BadInput(
      "no mode", ["plan", "i$->i", "--shape", "2"],
      """
      convoy: error: found '$', expected a mode, '...', ',', '->' or '|'
        i$->i
         ^
      Fix: a mode is a letter (A-Z, a-z) or a name in parentheses, such as (r1)
      """),
  ]

  static let shapes = [
    BadInput(
      "mismatched extents", ["plan", "ij,jk->ik", "--shape", "2,3", "--shape", "4,5"],
      """
      convoy: error: mode j has extent 3 in dimension 1 of operand 0 'ij' of shape (2,3), but 4 in \
      dimension 0 of operand 1 'jk' of shape (4,5)
        ij,jk->ik
      Fix: make the extents equal, or name the dimensions differently
      """),
    BadInput(
      "too few shapes", ["plan", "ij,jk->ik", "--shape", "2,3"],
      """
      convoy: error: found 1 shape, expected 2, one for each operand
        ij,jk->ik
      Fix: give one shape for each operand, in order
      """),
    BadInput(
      "too many shapes", ["plan", "ij->ji", "--shape", "2,3", "--shape", "3"],
      """
      convoy: error: found 2 shapes, expected 1, one for each operand
        ij->ji
      Fix: give one shape for each operand, in order
      """),
    BadInput(
      "too many dimensions", ["plan", "ij,jk->ik", "--shape", "2,3,4", "--shape", "3,4"],
      """
      convoy: error: operand 0 'ij' of shape (2,3,4) has 3 dimensions, expected 2
        ij,jk->ik
      Fix: give a shape with one extent for each mode, or write '...' for the other dimensions
      """),
    BadInput(
      "no number", ["plan", "ij->ji", "--shape", "2,a"],
      """
      convoy: error: --shape '2,a': 'a' is not an extent; expected whole numbers separated by \
      commas, e.g. --shape 4,7,9
      """),
    BadInput(
      "negative extent", ["plan", "ij->ji", "--shape", "2,-3"],
      """
      convoy: error: --shape '2,-3': '-3' is not an extent; expected whole numbers separated by \
      commas, e.g. --shape 4,7,9
      """),
    BadInput(
      "extent beyond integers", ["plan", "i->i", "--shape", "99999999999999999999"],
      """
      convoy: error: --shape '99999999999999999999': '99999999999999999999' is not an extent; \
      expected whole numbers separated by commas, e.g. --shape 4,7,9
      """),
    BadInput(
      "more than memory", ["plan", "ij->ji", "--shape", "9223372036854775807,2"],
      """
      convoy: error: operand 0 'ij' of shape (9223372036854775807,2) has more elements than memory \
      has addresses
        ij->ji
      Fix: use smaller extents
      """),
  ]

  /// A rule for mode h of an expression that is right.
  static func rule(_ name: String, _ rule: String, _ message: String) -> BadInput {
    BadInput(
      name, ["plan", "bh,h->bh|h", "--shape", "2,5", "--shape", "4", "--conv", rule], message)
  }

  static let rules = [
    rule(
      "unknown setting", "h:strid=2",
      """
      convoy: error: found setting 'strid', expected stride, padding, dilation, kind, boundary or \
      feature
        h:strid=2
          ^^^^^
      Fix: did you mean stride? Otherwise write a setting such as stride=2
      """),
    rule(
      "stride 0", "h:stride=0",
      """
      convoy: error: found 0 for stride, expected an integer of at least 1
        h:stride=0
                 ^
      Fix: use at least 1
      """),
    rule(
      "no convolution mode", "b:stride=2",
      """
      convoy: error: found a rule for 'b', expected a convolution mode of the expression: h
        bh,h->bh|h
      Fix: list the mode after '|', or leave its rule out
      """),
    rule(
      "feature out of range", "h:feature=5",
      """
      convoy: error: operand 5 cannot be the feature of convolution mode h, which is in operand 0 \
      and 1
        bh,h->bh|h
      Fix: write feature=0, or leave feature out for the largest
      """),
    rule(
      "no settings", "h",
      """
      convoy: error: found no ':', expected a mode, or '*' for all, then ':' and its settings
        h
        ^
      Fix: write an option such as h:stride=2,padding=1:2
      """),
    rule(
      "unknown padding", "h:padding=x",
      """
      convoy: error: found 'x' for padding, expected same, valid, full, wrap, default, or lo:hi of \
      at least 0
        h:padding=x
                  ^
      Fix: write padding=1:2
      """),
    rule(
      "wrap at a zero boundary", "h:padding=wrap",
      """
      convoy: error: padding=wrap of mode h has a zero boundary
        h:padding=wrap
      Fix: add boundary=circular, or use padding same, valid, full or lo:hi
      """),
    rule(
      "no output left", "h:padding=valid,dilation=2",
      """
      convoy: error: convolution mode h has no output: its feature of extent 5, padded by 0:0, is \
      shorter than its filters, of extent 4 at dilation 2
        bh,h->bh|h
      Fix: pad more (padding=full or lo:hi), or use smaller filters or a smaller dilation
      """),
  ]

  static let usage = [
    BadInput(
      "unknown option", ["plan", "i->i", "--foo"], "convoy: error: unknown option '--foo'…"),
    BadInput(
      "unknown optimizer", ["plan", "i->i", "--shape", "2", "--optimizer", "best"],
      """
      convoy: error: the value 'best' is invalid for '--optimizer <optimizer>'. Please provide one of \
      'auto', 'optimal', 'greedy' or 'left-to-right'.…
      """),
    BadInput(
      "unknown cost", ["plan", "i->i", "--shape", "2", "--cost", "x"],
      "convoy: error: the value 'x' is invalid for '--cost <cost>'. Please provide one of 'true' and…"
    ),
    BadInput("no expression", ["plan"], "convoy: error: missing expected argument '<expression>'…"),
    BadInput(
      "unknown command", ["plann"],
      "convoy: error: there is no command 'plann'; did you mean 'plan'?…"),
    BadInput(
      "a command that does not exist", ["measure"],
      "convoy: error: there is no command 'measure'; expected plan, contract, describe, train, bench, "
        + "calibrate or doctor…"),
    BadInput(
      "a command and its arguments", ["trian", "run.yaml", "--threads", "2"],
      "convoy: error: there is no command 'trian'; did you mean 'train'?…"),
    BadInput(
      "a mistyped option", ["plan", "i->i", "--shap", "2"],
      "convoy: error: unknown option '--shap'. Did you mean '--shape'?…"),
    BadInput(
      "no output file", ["contract", "i->i", "a.npy"],
      "convoy: error: missing expected argument '--out <file.npy>'…"),
  ]

  @Test(arguments: expressions + shapes + rules + usage)
  func badInputEndsInOneMessage(row: BadInput) throws {
    try row.check(in: TestFolder())
  }

  /// `contract` reads expressions and rules as `plan` does.
  @Test(arguments: [
    BadInput(
      "expression", ["contract", "i(j,k->i", "a.npy", "--out", "c.npy"],
      """
      convoy: error: found '(' without its ')'
        i(j,k->i
         ^
      Fix: close the name with ')', or leave '(' out
      """),
    BadInput(
      "rule", ["contract", "ij->ij|j", "a.npy", "--out", "c.npy", "--conv", "j:dilation=x"],
      "convoy: error: found 'x' for dilation, expected an integer of at least 1…"),
    BadInput(
      "number of files", ["contract", "ij,jk->ik", "a.npy", "--out", "c.npy"],
      """
      convoy: error: found 1 shape, expected 2, one for each operand
        ij,jk->ik
      Fix: give one shape for each operand, in order
      """),
    BadInput(
      "extents", ["contract", "ij,jk->ik", "a.npy", "a.npy", "--out", "c.npy"],
      """
      convoy: error: mode j has extent 3 in dimension 1 of operand 0 'ij' of shape (2,3), but 2 in \
      dimension 0 of operand 1 'jk' of shape (2,3)
        ij,jk->ik
      Fix: make the extents equal, or name the dimensions differently
      """),
  ])
  func contractReadsThemAlike(row: BadInput) throws {
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [2, 3])
    try row.check(in: folder)
  }
}
