/// Plans and runs conv_einsum expressions, and trains networks whose layers are such expressions.
///
/// ```swift
/// import Convoy
///
/// let y = try contract("bshw,tshw->bthw|hw", x, w)
/// ```
///
/// This module is the whole of Convoy under one name; what each part does is in its own module.
@_exported import Collectives
@_exported import Execution
@_exported import Graph
@_exported import Kernels
@_exported import Partitioning
@_exported import Planning
@_exported import Training
