import Kernels

/// Labelled images in memory: one part, training or test, of a data set.
///
/// Pixels stay bytes, a quarter of the memory; a batch is made of them when it is needed, and only
/// then gets the zeros around its images.
///
/// ```swift
/// let data = try LabelledData(DataConfiguration(), seed: 0)
/// let batch = data.training.batch([0, 1, 2], normalization: data.normalization)
/// batch.images.shape  // [3, 28, 28, 1]
/// ```
public struct Dataset: Hashable, Sendable {
  public let channels: Int
  /// Rows and columns of zeros on every side of an image, which are not among the pixels.
  public let padding: Int
  /// (sample, height, width, channels) without the padding, row-major.
  public let pixels: [UInt8]
  /// One per sample, from 0.
  public let labels: [UInt8]

  private let innerHeight: Int
  private let innerWidth: Int

  public var count: Int { labels.count }
  /// With the padding.
  public var height: Int { innerHeight + 2 * padding }
  /// With the padding.
  public var width: Int { innerWidth + 2 * padding }
  /// (height, width, channels).
  public var imageShape: [Int] { [height, width, channels] }
  /// Pixels times channels of one image.
  public var imageSize: Int { height * width * channels }
  /// The same without the padding.
  private var innerSize: Int { innerHeight * innerWidth * channels }

  /// - Parameters:
  ///   - height: Without the padding, as `width`.
  ///   - padding: Rows and columns of zeros on every side.
  /// - Precondition: there are `height · width · channels` pixels for every label.
  public init(
    height: Int, width: Int, channels: Int, padding: Int = 0, pixels: [UInt8], labels: [UInt8]
  ) {
    precondition(padding >= 0, "a padding of \(padding)")
    precondition(
      pixels.count == labels.count * height * width * channels,
      "\(pixels.count) pixels for \(labels.count) images of \(height)×\(width)×\(channels)")
    innerHeight = height
    innerWidth = width
    self.channels = channels
    self.padding = padding
    self.pixels = pixels
    self.labels = labels
  }

  /// The first `limit` samples, or all of them.
  public func first(_ limit: Int?) -> Dataset {
    guard let limit, limit < count else { return self }
    return Dataset(
      height: innerHeight, width: innerWidth, channels: channels, padding: padding,
      pixels: Array(pixels[..<(limit * innerSize)]), labels: Array(labels[..<limit]))
  }

  /// The same images with so many rows and columns of zeros on every side.
  public func padded(by padding: Int) -> Dataset {
    Dataset(
      height: innerHeight, width: innerWidth, channels: channels, padding: padding,
      pixels: pixels, labels: labels)
  }

  /// The samples of these indices: images `bhws` (batch, height, width, channels), normalised, and
  /// their labels. The batch may be empty.
  public func batch(
    _ indices: some Collection<Int>, normalization: Normalization
  ) -> (images: Tensor<Float>, labels: [Int]) {
    (
      images(indices, rows: 0..<height, normalization: normalization),
      indices.map { Int(labels[$0]) }
    )
  }

  /// Of the samples of these indices some rows, normalised, as `[samples, rows, width, channels]`.
  func images(
    _ indices: some Collection<Int>, rows: Range<Int>, normalization: Normalization
  ) -> Tensor<Float> {
    var images = Tensor<Float>(uninitialized: [indices.count, rows.count, width, channels])
    images.withMutablePointer {
      write(Array(indices), rows: rows, normalization: normalization, images: $0)
    }
    return images
  }

  /// Writes rows of images, normalised, one image after the other, and the images' labels.
  func write(
    _ indices: [Int], rows: Range<Int>, normalization: Normalization,
    images: UnsafeMutablePointer<Float>, labels classes: UnsafeMutablePointer<Int32>? = nil
  ) {
    let table = normalization.table
    let (rowSize, innerRowSize) = (width * channels, innerWidth * channels)
    let size = rows.count * rowSize
    let innerRows = padding..<padding + innerHeight
    let left = padding * channels
    pixels.withUnsafeBufferPointer { pixels in
      table.withUnsafeBufferPointer { table in
        nonisolated(unsafe) let (elements, pixels, table) = (images, pixels, table)
        let nanoseconds = 0.8 * Double(indices.count * size)
        ThreadPool.run(over: indices.count, nanoseconds: nanoseconds) { samples in
          for sample in samples {
            if padding > 0 { (elements + sample * size).update(repeating: table[0], count: size) }
            for (number, row) in rows.enumerated() where innerRows.contains(row) {
              let from = indices[sample] * innerSize + (row - padding) * innerRowSize
              let to = sample * size + number * rowSize + left
              for pixel in 0..<innerRowSize {
                elements[to + pixel] = table[Int(pixels[from + pixel])]
              }
            }
          }
        }
      }
    }
    guard let classes else { return }
    for (number, index) in indices.enumerated() { classes[number] = Int32(labels[index]) }
  }
}

/// How bytes become numbers: (byte / 255 − mean) / standard deviation.
///
/// ```swift
/// let normalization = Normalization(of: [0, 255])  // mean 0.5, standard deviation 0.5
/// ```
public struct Normalization: Hashable, Sendable {
  public let mean: Double
  public let standardDeviation: Double

  public init(mean: Double, standardDeviation: Double) {
    self.mean = mean
    self.standardDeviation = standardDeviation
  }

  /// Mean and standard deviation of these pixels, all channels together; pixels that are all equal
  /// are only centred. Exact whatever their number, as it counts how often each byte occurs.
  public init(of pixels: [UInt8]) {
    var counts = [Int](repeating: 0, count: 256)
    for pixel in pixels { counts[Int(pixel)] += 1 }
    let total = Double(max(1, pixels.count))
    let sum = counts.enumerated().reduce(0.0) { $0 + Double($1.offset) * Double($1.element) }
    let mean = sum / total
    let squares = counts.enumerated().reduce(0.0) { sum, entry in
      sum + Double(entry.element) * (Double(entry.offset) - mean) * (Double(entry.offset) - mean)
    }
    let deviation = (squares / total).squareRoot()
    self.init(mean: mean / 255, standardDeviation: deviation > 0 ? deviation / 255 : 1)
  }

  /// The number of every byte.
  var table: [Float] {
    (0..<256).map { Float((Double($0) / 255 - mean) / standardDeviation) }
  }
}
