import ArgumentParser
import Convoy
import Foundation

/// A matrix product to measure: (m × k)·(k × n).
struct GemmShape: Hashable {
  let name: String
  let m: Int
  let n: Int
  let k: Int

  init(_ kind: String, _ m: Int, _ n: Int, _ k: Int) {
    name = "\(kind) \(m)x\(n)x\(k)"
    (self.m, self.n, self.k) = (m, n, k)
  }

  /// - Throws: `ValidationError`.
  init(option text: String) throws {
    // As they are named in the list, too: 64x64x64.
    let separator: Character = text.contains(",") ? "," : "x"
    let extents = text.split(separator: separator, omittingEmptySubsequences: false).map { Int($0) }
    guard extents.count == 3, let m = extents[0], let n = extents[1], let k = extents[2],
      [m, n, k].allSatisfy({ (1...Int(Int32.max)).contains($0) })
    else {
      throw ValidationError(
        "--shape \(text): expected three whole numbers from 1 to \(Int32.max): m,n,k")
    }
    self.init("given", m, n, k)
  }

  /// - Throws: `ValidationError` where the tensors, one of them copied, are more than the machine holds.
  func requireMemory(bytesPerElement: Int) throws {
    let (m, n, k) = (Double(m), Double(n), Double(k))
    let bytes = 2 * (m * k + k * n + m * n) * Double(bytesPerElement)
    guard bytes > Double(HostMemory.limitBytes) else { return }
    throw ValidationError(
      "--shape \(self.m),\(self.n),\(self.k): takes about \(String(format: "%.3g", bytes)) bytes, "
        + "but this machine has \(HostMemory.limitBytes)")
  }

  func measured<Element: TensorElement>(
    _ type: Element.Type, _ seconds: Double
  ) -> ProductMeasurement {
    ProductMeasurement(of: type, m: m, n: n, k: k, seconds: seconds)
  }

  /// What steps of plans come down to: pixels are rows by the ten thousands, channels and ranks
  /// columns and depths from a few to some hundred; a gradient of a factor sums over pixels.
  static let sweep: [GemmShape] =
    [4, 8, 12, 16, 24, 32, 48, 64, 128, 256].map { GemmShape("square", $0, $0, $0) }
    + [512, 1024, 2048].map { GemmShape("large", $0, $0, $0) }
    + [(14, 64), (16, 16), (64, 14), (64, 64), (256, 57)].map {
      GemmShape("tall", 32768, $0.0, $0.1)
    }
    + [(14, 64), (16, 16), (64, 64)].map { GemmShape("wide", $0.0, 32768, $0.1) }
    + [(14, 64), (16, 16), (64, 64)].map { GemmShape("deep", $0.0, $0.1, 32768) }
    + [1, 4, 16].map { GemmShape("shallow", 1024, 1024, $0) }
    + [GemmShape("vector", 1, 1024, 1024), GemmShape("vector", 1024, 1, 1024)]
    + [GemmShape("filter", 64, 576, 14), GemmShape("filter", 512, 4608, 114)]
}
