/// The elements of a column-major array (first dimension contiguous) in row-major order (last
/// dimension contiguous).
///
/// For a shape (I, …, K), element (i, …, k) moves from i + … + k·(I·…) to i·(…·K) + … + k. Every
/// matrix over the first and last dimension is transposed, in square tiles, so that both the lines
/// that are read and those that are written stay in cache.
func rowMajor<Element: BitwiseCopyable>(_ columnMajor: [Element], shape: [Int]) -> [Element] {
  guard let rows = shape.first, let columns = shape.last, shape.count > 1, !columnMajor.isEmpty
  else { return columnMajor }
  let between = shape.dropFirst().dropLast()
  let rowStride = columnMajor.count / rows  // in the result
  let columnStride = columnMajor.count / columns  // in the source

  return [Element](unsafeUninitializedCapacity: columnMajor.count) { result, initialized in
    columnMajor.withUnsafeBufferPointer { source in
      var index = [Int](repeating: 0, count: between.count)
      repeat {
        // Offsets of the matrix at `index` of the dimensions between.
        var from = 0
        var stride = rows
        var to = 0
        for (position, extent) in zip(index, between) {
          from += position * stride
          stride *= extent
          to = to * extent + position
        }
        transpose(
          source[from...], to: result[(to * columns)...], rows: rows, columns: columns,
          rowStride: rowStride, columnStride: columnStride)
      } while advance(&index, in: between)
    }
    initialized = columnMajor.count
  }
}

/// `result[i * rowStride + j] = source[i + j * columnStride]`
private func transpose<Element: BitwiseCopyable>(
  _ source: Slice<UnsafeBufferPointer<Element>>,
  to result: Slice<UnsafeMutableBufferPointer<Element>>,
  rows: Int, columns: Int, rowStride: Int, columnStride: Int
) {
  let tile = 16
  let source = UnsafeBufferPointer(rebasing: source)
  let result = UnsafeMutableBufferPointer(rebasing: result)
  for top in stride(from: 0, to: rows, by: tile) {
    for left in stride(from: 0, to: columns, by: tile) {
      for row in top..<min(top + tile, rows) {
        for column in left..<min(left + tile, columns) {
          result.initializeElement(
            at: row * rowStride + column, to: source[row + column * columnStride])
        }
      }
    }
  }
}

/// Steps to the next index, the last position fastest; false after the last one.
private func advance(_ index: inout [Int], in extents: ArraySlice<Int>) -> Bool {
  for dimension in index.indices.reversed() {
    index[dimension] += 1
    if index[dimension] < extents[extents.startIndex + dimension] { return true }
    index[dimension] = 0
  }
  return false
}
