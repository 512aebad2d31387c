/// A nest as plainly strided loops around a product of OpenBLAS's, or around a multiply-add over two loops:
/// what runs any nest, on any path.
struct LoweredStridedNest: Sendable {
  /// Scratch elements that `run` needs.
  let workspaceCount: Int
  /// Elements of the tensor that is written.
  let destinationCount: Int
  var kernel: InnerKernel
  let variable: InnerKernel.Variable
  /// Loops around the kernel, outermost first.
  let levels: [Level]
  /// Copies into scratch before, and out of it after.
  let packs: [Pack?]
  /// Where what additions to the destination round off is added up in the workspace; `nil` where few calls add to
  /// an element.
  let low: Int?
  /// Where OpenBLAS makes products of short runs in the workspace; `nil` where its own sums will do.
  let product: Int?
  /// Whether the kernel runs once for every element, so that it may overwrite instead of add.
  let overwrites: Bool
  let isEmpty: Bool
  /// Estimated.
  let nanoseconds: Double

  /// One loop around the kernel: the offsets it adds, and the extent it gives the kernel.
  enum Level: Sendable {
    /// A plain loop.
    case strided(count: Int, Strides)
    /// A guarded dimension walked outside the kernel.
    case listed([Strides])
    /// The segments of a guarded dimension that the kernel walks, each with its length.
    case clipped([StridedNest.Entry])
  }

  struct Pack: Sendable {
    let extents: [Int]
    let givenStrides: [Int]
    let packedStrides: [Int]
    /// Where in the workspace.
    let offset: Int
    let count: Int
  }

  /// - Parameter inPlace: whether no tensor is copied, so that no workspace is needed.
  init(
    _ nest: ContractionNest, roles: [ContractionNest.Role], context: Context, inPlace: Bool = false
  ) {
    let written = roles[0]
    destinationCount = nest.count(written)
    let sums = SumLength(nest, writing: written)
    let candidates =
      inPlace ? roles.map { _ in [.asGiven] } : nest.candidateOrders(roles: roles)
    var best: (orders: [TensorOrder], view: StridedNest, choice: KernelChoice, time: Double)?
    for d in candidates[0] {
      for p in candidates[1] {
        for q in candidates[2] {
          let orders = [d, p, q]
          let view = StridedNest(
            nest, roles: roles,
            memory: zip(orders, roles).map { $0.strides(nest[$1]) })
          let (choice, kernelTime) = view.bestKernel(context, sums)
          var time = kernelTime
          for (order, role) in zip(orders, roles) where order.packed != nil {
            time += 300 + Double(nest.count(role)) * (role == written ? 1.5 : 1)
          }
          if time < best?.time ?? .infinity { best = (orders, view, choice, time) }
        }
      }
    }
    // candidateOrders always offers the tensors as given, so there is a best.
    let given = roles.map { TensorOrder.asGiven.strides(nest[$0]) }
    let view = best?.view ?? StridedNest(nest, roles: roles, memory: given)
    let choice = best?.choice ?? view.bestKernel(context, sums).choice
    isEmpty = view.isEmpty
    kernel = choice.kernel
    variable = choice.variable
    levels = view.isEmpty ? [] : view.levels(around: choice)
    let isCut = choice.kernel.isGEMM && sums.isLong
    let termsAtOnce = choice.loops.reduce(1.0) {
      view.loops[$1].strides[0] == 0 ? $0 * Double(view.loops[$1].extent) : $0
    }
    let keepsLow = isCut || !choice.kernel.isGEMM && sums.keepsLow(termsAtOnce: termsAtOnce)
    overwrites =
      if isCut {
        false
      } else if case .gemm = choice.kernel {
        view.writesEachElementOnce(destinationCount)
          && (view.loops.indices.allSatisfy {
            choice.loops.contains($0) || view.loops[$0].strides[0] != 0
          })
      } else {
        false
      }
    var workspace = 0
    var packs: [Pack?] = []
    for (position, role) in roles.enumerated() {
      guard let order = best?.orders[position], order.packed != nil else {
        packs.append(nil)
        continue
      }
      let count = nest.count(role)
      let packedStrides = order.strides(nest[role])
      // Dimensions of extent 1 need no copying. The others are at most 62, for an addressable tensor
      // has fewer than 2⁶³ elements: within the 64 that the C loop can count.
      let dimensions = nest[role].indices.filter { nest[role][$0].extent != 1 }
      packs.append(
        Pack(
          extents: dimensions.map { nest[role][$0].extent },
          givenStrides: dimensions.map { given[position][$0] },
          packedStrides: dimensions.map { packedStrides[$0] }, offset: workspace, count: count))
      // Every packed tensor starts at a cache line whatever the element type.
      workspace += (count + 15) / 16 * 16
    }
    self.packs = packs
    let rounded = (destinationCount + 15) / 16 * 16
    low = keepsLow ? workspace : nil
    product = isCut ? workspace + rounded : nil
    workspaceCount = workspace + (keepsLow ? rounded : 0) + (isCut ? rounded : 0)
    nanoseconds = best?.time ?? 0
  }
}

extension StridedNest {
  /// Whether the loops visit every element of the destination exactly once per index of the
  /// summed modes: no taps, and as many indices as elements.
  fileprivate func writesEachElementOnce(_ count: Int) -> Bool {
    guarded.isEmpty
      && loops.reduce(1) { $1.strides[0] == 0 ? $0 : $0 * $1.extent } == count
  }

  /// The loops that the kernel does not walk, ordered so that each part of the destination is
  /// finished while it is in cache: loops over the destination outermost, sums innermost.
  fileprivate func levels(around choice: KernelChoice) -> [LoweredStridedNest.Level] {
    var sorted: [(key: Int, level: LoweredStridedNest.Level)] = []
    for (index, loop) in loops.enumerated()
    where !choice.loops.contains(index) && loop.guarded == nil {
      sorted.append((loop.strides[0], .strided(count: loop.extent, loop.strides)))
    }
    for (group, dimension) in guarded.enumerated() {
      guard let index = loops.firstIndex(where: { $0.guarded == group }) else {
        sorted.append((0, .listed(dimension.entries.map(\.offset))))
        continue
      }
      if choice.loops.contains(index) {
        let entries = dimension.entries.map {
          Entry(offset: $0.offset, length: $0.length * dimension.unit)
        }
        sorted.append((0, .clipped(entries)))
      } else {
        // Walked here: each entry's run of the clipped loop (and of loops merged into it), with
        // all taps of one element of the destination next to each other.
        let strides = loops[index].strides
        let offsets = dimension.entries.flatMap { entry in
          (0..<entry.length * dimension.unit).map { entry.offset &+ strides &* $0 }
        }
        sorted.append((abs(strides[0]), .listed(offsets.sorted { $0[0] < $1[0] })))
      }
    }
    return sorted.sorted { $0.key > $1.key }.map(\.level)
  }
}
