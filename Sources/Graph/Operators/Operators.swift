/// The operators that come with the module: a namespace, so that `Operators.MaxPool`, what a node
/// of a graph does, is told apart from other modules' types of that name.
///
/// Most are added by a method of `GraphBuilder`, which needs no qualified name. An operator of
/// one's own may live anywhere.
///
/// ```swift
/// let sums = try builder.single(Operators.MomentSums(over: [0, 2, 3]), [x])
/// if let pool = node.operation.base as? Operators.MaxPool { print(pool.windows) }
/// ```
public enum Operators {}
