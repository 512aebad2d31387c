import Collectives
import Kernels

/// This process's part of its machine's memory, in bytes: the processes of a machine hold the same data and
/// the same checkpoint each.
var availableMemory: Int { HostMemory.limitBytes / max(1, Launch.current.localProcesses) }
