/// The root of a whole degree ≥ 1 of a number ≥ 0, to the last bits, by Newton's method from above,
/// where it falls without overshooting; Planning is pure Swift, whose library has square roots only.
func root(_ degree: Int, of x: Double) -> Double {
  guard degree > 1 && x > 0 && x.isFinite else { return x }
  // The power of two next above the root: x < 2^(e + 1) ≤ 2^(degree·⌈(e + 1) / degree⌉).
  let exponent = Int(x.exponent) + 1
  let steps = exponent / degree + (exponent > 0 && exponent % degree != 0 ? 1 : 0)
  var estimate = Double(sign: .plus, exponent: steps, significand: 1)
  while true {
    var power = 1.0
    for _ in 1..<degree { power *= estimate }
    let next = (Double(degree - 1) * estimate + x / power) / Double(degree)
    guard next < estimate else { return estimate }
    estimate = next
  }
}
