/// Bytes of an array of this shape, or nil if they are more than 2^62, which leaves room for the
/// header before them.
///
/// An extent of 0 makes an array empty whatever the others are, but their product must be a number
/// all the same, since it is a stride for whoever walks over the array.
func storageSize(shape: [Int], elementSize: Int) -> Int? {
  var bytes = elementSize
  for extent in shape where extent != 0 {
    let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
    guard !overflow && product <= 1 << 62 else { return nil }
    bytes = product
  }
  return shape.contains(0) ? 0 : bytes
}
