import Testing

@testable import Graph

/// What every operator has to pass, on all cases of all operators.
@Suite struct SharedTests {
  static let cases =
    contractionCases + elementCases + shapeCases + normalizationCases + poolCases + softmaxCases
    + lossCases

  @Test("gradients by differences and by the adjoint identity", arguments: cases)
  func gradients(_ operatorCase: OperatorCase) throws { try checkGradients(operatorCase) }

  @Test("parts along every factor make the whole", arguments: cases + updateCases)
  func factors(_ operatorCase: OperatorCase) throws {
    let built = try BuiltCase(operatorCase)
    let graph = try? built.graph.differentiated(
      [built.loss], withRespectTo: built.variables
    ).graph
    let checked = graph ?? built.graph
    let values = try Interpreter(graph: checked).values(built.sources)
    for node in checked.nodes { try checkFactors(of: node, in: checked, values: values) }
  }

  @Test("every operator that can be decoded is in some case")
  func coverage() throws {
    var kinds: Set<String> = []
    for operatorCase in Self.cases + updateCases {
      let built = try BuiltCase(operatorCase)
      let graph = try? built.graph.differentiated(
        [built.loss], withRespectTo: built.variables
      ).graph
      kinds.formUnion((graph ?? built.graph).nodes.map(\.operation.kind))
    }
    #expect(Set(Operation.kinds.map { $0.kind }) == kinds)
  }
}
