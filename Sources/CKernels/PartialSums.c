#include "PartialSums.h"

CONVOY_VECTOR_TARGETS
void convoy_settle_f32(long count, float *restrict c, const float *restrict low) {
  for (long i = 0; i < count; i++) c[i] += low[i] - low[i] == 0 ? low[i] : 0;
}

CONVOY_VECTOR_TARGETS
void convoy_settle_f64(long count, double *restrict c, const double *restrict low) {
  for (long i = 0; i < count; i++) c[i] += low[i] - low[i] == 0 ? low[i] : 0;
}
