/// Files as numpy 2.4, safetensors 0.8 and Python's gzip wrote them, as base64.
enum Goldens {
  /// `np.save(f, np.array([[0.5, -1, 2], [3, 4e-3, np.inf]], 'f4'))`
  static let float32 = """
    k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAA/AACAvwAA
    AEAAAEBAbxKDOwAAgH8=
    """

  /// `np.save(f, np.array(-2.5))`
  static let scalar = """
    k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAg
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAEwA==
    """

  /// `np.save(f, np.asfortranarray(np.arange(12.0).reshape(2, 3, 2)))`
  static let fortranOrder = """
    k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMywgMiks
    IH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAA
    AAAAABhAAAAAAAAAAEAAAAAAAAAgQAAAAAAAABBAAAAAAAAAJEAAAAAAAADwPwAAAAAAABxAAAAAAAAACEAAAAAAAAAi
    QAAAAAAAABRAAAAAAAAAJkA=
    """

  /// `np.lib.format.write_array(f, np.arange(3, dtype='>f4'), version=(2, 0))`
  static let bigEndianVersion2 = """
    k05VTVBZAgB0AAAAeydkZXNjcic6ICc+ZjQnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMywpLCB9
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAP4AAAEAA
    AAA=
    """

  /// `np.asfortranarray(np.arange(4, dtype='>f8').reshape(2, 2))`, written as version 3.0
  static let bigEndianFortranVersion3 = """
    k05VTVBZAwB0AAAAeydkZXNjcic6ICc+ZjgnLCAnZm9ydHJhbl9vcmRlcic6IFRydWUsICdzaGFwZSc6ICgyLCAyKSwg
    fSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAEAA
    AAAAAAAAP/AAAAAAAABACAAAAAAAAA==
    """

  /// `np.save(f, np.zeros((0, 3), 'f4'))`
  static let empty = """
    k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDAsIDMpLCB9
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo=
    """

  /// `np.save(f, np.arange(2))`
  static let integers = """
    k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAg
    ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAEA
    AAAAAAAA
    """

  /// `safetensors.numpy.save({"b": float32 [0.5, -2], "a": uint8 [0, 1, 2], "c": float64 1.5,
  /// "i": int64 [-1, 7], "z": float32 of shape [0, 3]}, metadata)`, with every kind of escape in
  /// the metadata.
  static let safetensors = """
    QAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJub3RlXG7DqVx1MDAwMX8vIjoidlwiXFwifSwiaSI6eyJkdHlwZSI6Ikk2
    NCIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzAsMTZdfSwiYyI6eyJkdHlwZSI6IkY2NCIsInNoYXBlIjpbXSwi
    ZGF0YV9vZmZzZXRzIjpbMTYsMjRdfSwiYiI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6
    WzI0LDMyXX0sInoiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzAsM10sImRhdGFfb2Zmc2V0cyI6WzMyLDMyXX0sImEi
    OnsiZHR5cGUiOiJVOCIsInNoYXBlIjpbM10sImRhdGFfb2Zmc2V0cyI6WzMyLDM1XX19IP//////////BwAAAAAAAAAA
    AAAAAAD4PwAAAD8AAADAAAEC
    """

  /// `gzip.compress` of an IDX file of shape [2, 2, 3] with the bytes 0 … 11
  static let idxGzip = """
    H4sIAAAAAAACA2Ng4GBmYGBggmJmBkYmZhZWNnYOTi5uAHgeI4QcAAAA
    """
}
