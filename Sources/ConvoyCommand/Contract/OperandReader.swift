import Convoy
import Formats

extension NpyFile {
  /// A box of the array as a tensor, read straight into its memory: what a process reads it holds once.
  ///
  /// - Parameters:
  ///   - box: a range of positions per dimension; `nil`: all of it.
  ///   - meter: counts the tensor's bytes.
  func tensor<Element: TensorElement>(
    _ box: [Range<Int>]? = nil, meter: MemoryMeter
  ) throws(FormatError) -> Tensor<Element> {
    let box = box ?? header.shape.map { 0..<$0 }
    var tensor = Tensor<Element>(uninitialized: box.map(\.count), meter: meter)
    try tensor.withMutableElements { (elements) throws(FormatError) in
      try read(box: box, into: UnsafeMutableRawBufferPointer(elements))
    }
    return tensor
  }
}
