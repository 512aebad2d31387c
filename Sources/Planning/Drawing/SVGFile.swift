/// A drawing in the Scalable Vector Graphics format: its frame, title and style; what is in it are elements.
///
/// ```swift
/// SVGFile(width: 200, height: 80, title: "A square", titleAt: (10, 20), style: ".square { fill: red }")
///   .text(["<rect x=\"10\" y=\"30\" width=\"40\" height=\"40\" class=\"square\"/>"])
/// ```
package struct SVGFile {
  private let width: Int
  private let height: Int
  private let title: String?
  private let titlePlace: (x: Int, y: Int)
  private let style: String

  /// - Parameter style: Rules of a style sheet, besides those of text and title.
  package init(
    width: Int, height: Int, title: String? = nil, titleAt titlePlace: (x: Int, y: Int) = (0, 0),
    style: String = ""
  ) {
    self.width = width
    self.height = height
    self.title = title
    self.titlePlace = titlePlace
    self.style = style
  }

  package func text(_ elements: [String]) -> String {
    let head = title.map {
      "<text x=\"\(titlePlace.x)\" y=\"\(titlePlace.y)\" class=\"title\">\(xmlText($0))</text>"
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
      viewBox="0 0 \(width) \(height)">
      <style>
      text { font: 12px sans-serif; fill: #222 }
      .title { font-size: 16px; font-weight: bold }
      \(style)
      </style>
      <rect width="\(width)" height="\(height)" fill="white"/>
      \(([head].compactMap { $0 } + elements).joined(separator: "\n"))
      </svg>

      """
  }
}
