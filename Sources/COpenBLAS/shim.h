// The C interface of BLAS as OpenBLAS provides it, with its thread control
// (`openblas_set_num_threads`), which cblas.h alone does not declare on every distribution.
#include <cblas.h>
