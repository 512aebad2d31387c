import Testing

@testable import Graph

@Suite struct ValueTests {
  @Test("element types and their bytes")
  func types() {
    #expect(ElementType.allCases.map(\.bytes) == [4, 8, 1, 4, 8])
    #expect(ElementType.allCases.filter(\.isFloatingPoint) == [.float32, .float64])
  }

  @Test("counts and bytes, of scalars and of nothing")
  func counts() {
    let value = Value(name: "x", type: .float64, axes: axes([2, 3]))
    #expect(value.shape == [2, 3])
    #expect(value.count == 6)
    #expect(value.bytes == 48)
    #expect(value.named("y") == Value(name: "y", type: .float64, axes: value.axes))
    #expect(Value(name: "x", type: .uint8, axes: []).count == 1)
    #expect(Value(name: "x", type: .uint8, axes: axes([3, 0])).bytes == 0)
  }

  @Test("products do not overflow")
  func products() {
    #expect(product([]) == 1)
    #expect(product([.max, 2]) == .max)
    #expect(product([.max, 2, 0]) == 0)
    let vast = Value(name: "x", type: .float32, axes: axes([1 << 31, 1 << 31]))
    #expect(vast.count == 1 << 62)
    #expect(!vast.isAddressable)
    #expect(Value(name: "x", type: .float32, axes: axes([1 << 40])).isAddressable)
  }

  @Test("an axis' text is its own: names that could be taken for more are quoted")
  func axisText() {
    #expect(Axis("time_1", .time, 3).text == "time_1:time:3")
    #expect(Axis("a,b:time:3", .time, 3).text == "\"a,b:time:3\":time:3")
    #expect(Axis("a\"b", .other, 3).text == "\"a\\\"b\":other:3")
    #expect(Axis("x", .batch, 3).with(extent: 4) == Axis("x", .batch, 4))
  }
}
