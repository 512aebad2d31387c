import Testing

@testable import Kernels

/// Runs a way to compute a nest on arrays: whatever scratch holds must not show, and what lies behind it
/// must stay.
///
/// - Parameter adding: what the destination holds before, if it is to be added to.
func onArrays<Element: TensorElement>(
  workspaceCount: Int, count: Int, _ p: [Element], _ q: [Element], adding: [Element]?,
  _ run: (
    UnsafeMutablePointer<Element>, UnsafePointer<Element>, UnsafePointer<Element>,
    UnsafeMutablePointer<Element>
  ) -> Void
) -> [Element] {
  var output = adding ?? [Element](repeating: .nan, count: count)
  var workspace = [Element](repeating: .nan, count: workspaceCount + 8)
  for index in 0..<8 { workspace[workspaceCount + index] = 77 }
  output.withUnsafeMutableBufferPointer { output in
    workspace.withUnsafeMutableBufferPointer { workspace in
      p.withUnsafeBufferPointer { p in
        q.withUnsafeBufferPointer { q in
          guard let d = output.baseAddress, let p = p.baseAddress, let q = q.baseAddress,
            let scratch = workspace.baseAddress
          else { return }
          run(d, p, q, scratch)
        }
      }
    }
  }
  #expect(workspace.suffix(8).allSatisfy { $0 == 77 })
  return output
}
