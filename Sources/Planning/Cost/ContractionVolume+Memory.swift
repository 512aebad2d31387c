extension ContractionVolume {
  /// Elements that some rank receives at least, when P ranks share the work evenly, each tensor
  /// starts or ends once over all of them, and no rank ever holds more than S elements: the larger
  /// of `receivedLowerBound` and, for matrix products,
  ///
  ///     max over F = 1, 2, … of  3·(w² F)^⅓ − (F − 1)(S + 1) − (first + second + result) / P,
  ///
  /// where w = batch·m·n·k / P is the work of a rank. Steps that are no matrix products (of
  /// convolutions `w` elementary products need fewer elements) get `receivedLowerBound` alone.
  ///
  /// Derivation, after Smith, Lowery, Langou and van de Geijn (arXiv 1702.02017): let a rank's
  /// *accesses* be the operand elements it receives and the partial sums it begins, in all Q. Cut
  /// them into F phases of T, where the first has in addition what fills the memory. In a phase it
  /// can use at most S + T different elements, and with those make ((S + T)/3)^(3/2) products
  /// (Loomis and Whitney; it is best to use them all on one of the `batch` products). So
  /// w ≤ F·((S + T)/3)^(3/2), where F·T + S is Q and what the rank holds at the start, up to the
  /// rounding of T to a whole number. A partial sum that was begun is sent to another rank, and is
  /// received there, or is part of the result that this rank keeps; so on the average over the ranks
  /// Q is at most what a rank receives and its share of the result.
  ///
  /// F = 1 is the third case of Al Daas et al. With F = w / S^(3/2) whole, the accesses are those
  /// of `cosmaVolume` but for the rounding of T.
  ///
  /// - Parameters:
  ///   - ranks: P ≥ 1.
  ///   - memory: S > 0, in elements. Where P·S is less than the three tensors, no plan fits at all.
  public func memoryBound(ranks: Double, memory: Double) -> Double {
    let unlimited = receivedLowerBound(ranks: ranks)
    guard isMatrixProduct && memory > 0 else { return unlimited }
    let parts = min(max(1, ranks), max(1, batch * m * n * k))
    let work = batch * m * n * k / parts
    let cube = root(3, of: work)
    // Of real numbers of phases w / (S + 1)^(3/2) is best, so of whole ones one beside it.
    let phase = memory + 1
    let best = (work / (phase * phase.squareRoot())).rounded(.down)
    let accesses = [max(1, best), best + 1].reduce(0) { most, phases in
      max(most, 3 * cube * cube * root(3, of: phases) - (phases - 1) * phase)
    }
    return max(unlimited, accesses - elements / parts)
  }

  /// COSMA's volume of matrix products (Kwasniewski, Kabić, Besta, VandeVondele, Solcà, Hoefler
  /// 2019, arXiv 1908.09606): elements that a rank of P with a memory of S elements must *own,
  /// receive or produce*,
  ///
  ///     2·batch·m·n·k / (P·√S) + S    while P ≤ batch·m·n·k / S^(3/2),   else   3·(batch·m·n·k / P)^⅔.
  ///
  /// It is the published measure of a plan under limited memory, to be compared with a rank's whole
  /// footprint; it does not bound what a rank *receives*, of which `memoryBound` is the bound, as it
  /// includes what a rank has from the start and what it keeps at the end.
  public func cosmaVolume(ranks: Double, memory: Double) -> Double {
    let work = batch * m * n * k / max(1, ranks)
    let cube = root(3, of: work)
    // More memory than the elements of a cube of this work is of no use.
    let used = min(memory, cube * cube)
    guard used > 0 else { return 0 }
    return 2 * work / used.squareRoot() + used
  }
}
