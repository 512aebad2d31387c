// Open MPI's constants are macros that cast the address of a global of an incomplete type.
// Swift's importer drops such macros, so each one that Collectives uses has an accessor here.
// Plain integer macros (MPI_SUCCESS, MPI_ERR_TRUNCATE, MPI_THREAD_SERIALIZED, the lengths of
// strings) are imported as they are.
#ifndef CONVOY_CMPI_SHIM_H
#define CONVOY_CMPI_SHIM_H

#include <mpi.h>

// ((MPI_Comm) &ompi_mpi_comm_world): all processes of the job.
static inline MPI_Comm convoy_mpi_comm_world(void) { return MPI_COMM_WORLD; }

// ((MPI_Comm) &ompi_mpi_comm_null): what MPI_Comm_dup overwrites.
static inline MPI_Comm convoy_mpi_comm_null(void) { return MPI_COMM_NULL; }

// ((MPI_Request) &ompi_request_null): the state of a request that is not, or no longer, pending.
static inline MPI_Request convoy_mpi_request_null(void) { return MPI_REQUEST_NULL; }

// ((MPI_Errhandler) &ompi_mpi_errors_return): calls return their errors instead of ending the job.
static inline MPI_Errhandler convoy_mpi_errors_return(void) { return MPI_ERRORS_RETURN; }

// ((MPI_Datatype) &ompi_mpi_byte), and int64_t for the agreement on a call.
static inline MPI_Datatype convoy_mpi_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype convoy_mpi_int64(void) { return MPI_INT64_T; }

// ((MPI_Op) &ompi_mpi_op_max).
static inline MPI_Op convoy_mpi_max(void) { return MPI_MAX; }

// ((void *) 1): an integer cast to a pointer, which Swift does not import either.
static inline void *convoy_mpi_in_place(void) { return MPI_IN_PLACE; }

#endif
