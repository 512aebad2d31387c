import Foundation
import Graph
import Kernels

/// Logits of samples, and their labels.
private struct LabelledSamples: Sendable {
  let samples: Int
  let classes: Int

  var nanoseconds: Double { 8 * Double(samples * classes) }

  init(_ part: NodePart) throws(ExecutionError) {
    guard part.inputs.count >= 2, let classes = part.inputs[0].shape.last,
      Array(part.inputs[0].shape.dropLast()) == part.inputs[1].shape
    else { throw part.misfit }
    samples = part.inputs[1].count
    self.classes = classes
  }

  /// Calls the body for all samples, on several threads, and adds up what it gives, in order.
  func sum(
    _ workspace: UnsafeMutableRawPointer, _ term: @Sendable (_ sample: Int) -> Double
  ) -> Double {
    nonisolated(unsafe) let terms = workspace.elements(Double.self)
    run { terms[$0] = term($0) }
    return (0..<samples).reduce(0) { $0 + terms[$1] }
  }

  func run(_ body: @Sendable (_ sample: Int) -> Void) {
    ThreadPool.run(over: samples, nanoseconds: nanoseconds) { for sample in $0 { body(sample) } }
  }

  /// Work that gives a sum of terms of the samples.
  func summing<Element>(
    _ term: @escaping @Sendable (UnsafePointer<Element>, _ label: Int) -> Double
  ) -> SweepWork {
    SweepWork(workspaceBytes: 8 * samples, nanoseconds: nanoseconds) { inputs, outputs, workspace in
      nonisolated(unsafe) let logits = inputs[0].elements(Element.self)
      nonisolated(unsafe) let labels = inputs[1].elements(Int32.self)
      outputs[0].elements(Double.self)[0] = sum(workspace) { sample in
        term(logits + sample * classes, Int(labels[sample]))
      }
    }
  }
}

extension Operators.CrossEntropy: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 2, outputs: 1)
    let samples = try LabelledSamples(part)
    return try part.floating(work(samples, Float.self), work(samples, Double.self))
  }

  private func work<Element: TensorElement>(
    _ samples: LabelledSamples, _ type: Element.Type
  ) -> SweepWork {
    let (smoothing, classes) = (labelSmoothing, samples.classes)
    return samples.summing { (logits: UnsafePointer<Element>, label) in
      // A label that is no class has no loss.
      guard (0..<classes).contains(label) else { return .nan }
      let shift = logarithmOfPowers(logits, count: classes, stride: 1)
      var loss = (1 - smoothing) * (shift - Double(logits[label]))
      if smoothing > 0 {
        var total = 0.0
        for index in 0..<classes { total += shift - Double(logits[index]) }
        loss += smoothing / Double(classes) * total
      }
      return loss
    }
  }
}

extension Operators.CrossEntropyAdjoint: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 3, outputs: 1, alike: [0, 3])
    let samples = try LabelledSamples(part)
    return try part.floating(work(samples, Float.self), work(samples, Double.self))
  }

  private func work<Element: TensorElement>(
    _ samples: LabelledSamples, _ type: Element.Type
  ) -> SweepWork {
    let (smoothing, classes) = (labelSmoothing, samples.classes)
    return SweepWork(
      nanoseconds: 2 * samples.nanoseconds, inPlace: [0]
    ) { inputs, outputs, _ in
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let labels = inputs[1].elements(Int32.self)
      nonisolated(unsafe) let result = outputs[0].elements(Element.self)
      let gradient = inputs[2].elements(Double.self)[0]
      samples.run { sample in
        let (logits, own) = (x + sample * classes, result + sample * classes)
        let shift = logarithmOfPowers(logits, count: classes, stride: 1)
        let label = Int(labels[sample])
        for index in 0..<classes {
          let target = smoothing / Double(classes) + (index == label ? 1 - smoothing : 0)
          own[index] = Element(gradient * (exp(Double(logits[index]) - shift) - target))
        }
      }
    }
  }
}

extension Operators.CorrectCount: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 2, outputs: 1)
    let samples = try LabelledSamples(part)
    return try part.floating(work(samples, Float.self), work(samples, Double.self))
  }

  private func work<Element: TensorElement>(
    _ samples: LabelledSamples, _ type: Element.Type
  ) -> SweepWork {
    let (top, classes) = (top, samples.classes)
    return samples.summing { (logits: UnsafePointer<Element>, label) in
      guard (0..<classes).contains(label), !logits[label].isNaN else { return 0 }
      let own = logits[label]
      var larger = 0
      for index in 0..<classes where logits[index] > own || logits[index] == own && index < label {
        larger += 1
      }
      return larger < top ? 1 : 0
    }
  }
}
