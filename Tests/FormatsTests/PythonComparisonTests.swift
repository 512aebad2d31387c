import Foundation
import Testing

@testable import Formats

/// Our bytes beside those of the `python3` at hand, on more shapes than the goldens have.
@Suite struct PythonComparisonTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let shapes: [[Int]] = [
    [], [0], [1], [7], [2, 3], [123_456, 1], [1, 123_456], [3, 0, 5], [2, 3, 4, 5],
    .init(repeating: 1, count: 20), .init(repeating: 2, count: 10),
  ]

  @Test(.enabled(if: Python.hasNumpy, "'\(Python.interpreter)' has no module numpy"))
  func npyBytesEqualNumpys() throws {
    for (number, shape) in Self.shapes.enumerated() {
      let count = shape.reduce(1, *)
      let single = (0..<count).map { Float($0) / 3 }
      let double = (0..<count).map { Double($0) / 3 }
      try NpyArray(shape: shape, elements: .float32(single)).write(to: folder("\(number).f4.npy"))
      try NpyArray(shape: shape, elements: .float64(double)).write(to: folder("\(number).f8.npy"))
    }
    let shapes = Self.shapes.map(\.description).joined(separator: ",")
    try Python.run(
      """
      import io, sys, numpy as np
      for number, shape in enumerate([\(shapes)]):
          for kind in ("f4", "f8"):
              count = int(np.prod(shape))
              a = (np.arange(count, dtype=kind) / np.array(3, kind)).reshape(shape)
              expected = io.BytesIO()
              np.save(expected, a)
              with open(f"{sys.argv[1]}/{number}.{kind}.npy", "rb") as file:
                  assert file.read() == expected.getvalue(), (shape, kind)
      """, folder.path)
  }

  @Test(.enabled(if: Python.hasNumpy, "'\(Python.interpreter)' has no module numpy"))
  func readsNumpysFortranAndBigEndianFiles() throws {
    try Python.run(
      """
      import sys, numpy as np
      from numpy.lib import format
      for number, shape in enumerate([(), (0, 2), (6,), (2, 3), (2, 3, 4), (5, 1, 2, 3)]):
          for kind in ("<f4", "<f8", ">f4", ">f8"):
              a = np.arange(int(np.prod(shape)), dtype=kind).reshape(shape)
              for version in (1, 2, 3):
                  with open(f"{sys.argv[1]}/{number}{kind}{version}.npy", "wb") as file:
                      format.write_array(file, np.array(a, order="F"), (version, 0))
      """, folder.path)
    let shapes = [[], [0, 2], [6], [2, 3], [2, 3, 4], [5, 1, 2, 3]]
    for (number, shape) in shapes.enumerated() {
      let count = shape.reduce(1, *)
      let single = NpyArray.Elements.float32((0..<count).map { Float($0) })
      let double = NpyArray.Elements.float64((0..<count).map { Double($0) })
      for kind in ["<f4", "<f8", ">f4", ">f8"] {
        let expected = NpyArray(shape: shape, elements: kind.hasSuffix("4") ? single : double)
        for version in 1...3 {
          let path = folder("\(number)\(kind)\(version).npy")
          #expect(try NpyArray(path: path) == expected, "\(shape) \(kind) version \(version)")
        }
      }
    }
  }

  /// The boxes that numpy cuts out, as raw bytes, beside those we read.
  @Test(.enabled(if: Python.hasNumpy, "'\(Python.interpreter)' has no module numpy"))
  func boxesEqualNumpysSlices() throws {
    let box = [1..<4, 0..<5, 2..<7]
    try Python.run(
      """
      import sys, numpy as np
      a = np.random.default_rng(7).standard_normal((4, 5, 9))
      for kind in ("<f4", "<f8", ">f4", ">f8"):
          for order in "CF":
              b = a.astype(kind, order=order)
              np.save(f"{sys.argv[1]}/{kind}{order}.npy", b)
              cut = b[1:4, 0:5, 2:7].astype("<" + kind[1:])
              open(f"{sys.argv[1]}/{kind}{order}.raw", "wb").write(cut.tobytes())
      """, folder.path)
    for name in ["<f4C", "<f8C", ">f4C", ">f8C", "<f4F", "<f8F", ">f4F", ">f8F"] {
      let expected = try bytes(of: folder(name + ".raw"))
      let file = try NpyFile(path: folder(name + ".npy"))
      #expect(try read(box, of: file) == expected, "\(name)")
    }
  }

  /// A file that two objects composed, loaded by numpy.
  @Test(.enabled(if: Python.hasNumpy, "'\(Python.interpreter)' has no module numpy"))
  func numpyLoadsASharedFile() throws {
    let file = try SharedNpyFile.create(
      path: folder("x.npy"), shape: [3, 4], elementType: .float64)
    let other = try SharedNpyFile(
      opening: file.temporaryPath, path: folder("x.npy"), shape: [3, 4], elementType: .float64)
    try ([0, 1, 4, 5, 8, 9] as [Double]).withUnsafeBytes {
      try file.write(box: [0..<3, 0..<2], from: $0)
    }
    try ([2, 3, 6, 7, 10, 11] as [Double]).withUnsafeBytes {
      try other.write(box: [0..<3, 2..<4], from: $0)
    }
    try file.finish()
    try Python.run(
      """
      import sys, numpy as np
      a = np.load(sys.argv[1])
      assert a.dtype == np.float64 and (a == np.arange(12.0).reshape(3, 4)).all(), a
      """, folder("x.npy"))
  }

  @Test(
    .enabled(
      if: Python.hasSafetensors,
      "'\(Python.interpreter)' has no modules safetensors and numpy: see scripts/setup --tests"))
  func safetensorsBytesEqualTheReferences() throws {
    let file = Safetensors(
      tensors: [
        .init(name: "z.weight", shape: [2, 3], elements: .float32([0, 1, 2, 3, 4, 5])),
        .init(name: "Ä", shape: [], elements: .float32([0.1])),
        .init(name: "a", shape: [2], elements: .float64([0.1, -1])),
        .init(name: "n", shape: [1, 1], elements: .int64([-5])),
        .init(name: "mask", shape: [3], elements: .uint8([0, 255, 1])),
        .init(name: "none", shape: [0], elements: .float64([])),
      ], metadata: ["step \"100\"": "line\nbreak \u{1B}"])
    try file.write(to: folder("ours.safetensors"))
    try Python.run(
      """
      import sys, numpy as np
      from safetensors.numpy import save_file
      save_file({
          "mask": np.array([0, 255, 1], "u1"),
          "a": np.array([0.1, -1]),
          "z.weight": np.arange(6, dtype="f4").reshape(2, 3),
          "n": np.array([[-5]]),
          "none": np.zeros(0),
          "Ä": np.array(0.1, "f4"),
      }, sys.argv[1] + "/theirs.safetensors", {'step "100"': "line\\nbreak \\x1b"})
      """, folder.path)
    #expect(try bytes(of: folder("ours.safetensors")) == bytes(of: folder("theirs.safetensors")))
    let theirs = try Safetensors(path: folder("theirs.safetensors"))
    #expect(theirs.metadata == file.metadata)
    #expect(Set(theirs.tensors) == Set(file.tensors))
  }
}
