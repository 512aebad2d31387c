/// The candidate that a mistyped word most likely means: the one of least edit distance, the first
/// of several, if at least half of the word is right; letters' case does not count.
///
/// ```swift
/// nearest(to: "strid", among: ["stride", "padding"])  // stride
/// nearest(to: "x", among: ["stride", "padding"])      // nil
/// ```
package func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
  let typed = Array(word.lowercased())
  var best: (candidate: String, distance: Int)?
  for candidate in candidates {
    let letters = Array(candidate.lowercased())
    let allowed = min(best.map { $0.distance - 1 } ?? .max, max(typed.count, letters.count) / 2)
    guard abs(letters.count - typed.count) <= allowed else { continue }
    let distance = editDistance(typed, letters)
    if distance <= allowed { best = (candidate, distance) }
  }
  return best?.candidate
}

/// Optimal string alignment distance: insertions, deletions, substitutions and exchanges of two
/// neighbours that turn one word into the other.
package func editDistance(_ a: [Character], _ b: [Character]) -> Int {
  var beforePrevious: [Int] = []
  var previous = Array(0...b.count)
  for i in a.indices {
    var row = [i + 1]
    for j in b.indices {
      let substitution = previous[j] + (a[i] == b[j] ? 0 : 1)
      var distance = min(previous[j + 1] + 1, row[j] + 1, substitution)
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
        distance = min(distance, beforePrevious[j - 1] + 1)
      }
      row.append(distance)
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.count]
}
