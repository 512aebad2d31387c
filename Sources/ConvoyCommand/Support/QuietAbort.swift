import Foundation

/// Has Open MPI end the job without its own banner ("MPI_ABORT was invoked on rank 0 …"), which would bury the message
/// that was just written; the exit code stays.
///
/// It is the parameter `orte_execute_quiet` of Open MPI 3 and 4, set for the rest of this process's life only: what Open
/// MPI has to say until then, and what mpirun itself has to say of a rank that is killed or not found, is said.
/// (`mpirun -q` would suppress that too, and a rank that ends with an exit code of its own after `MPI_Finalize` brings
/// another banner of mpirun's.) Where there is no such parameter nothing happens.
func silenceAbort() {
  #if canImport(Glibc)
    guard let parameter = dlsym(nil, "orte_execute_quiet") else { return }
    parameter.assumingMemoryBound(to: CBool.self).pointee = true
  #endif
}
