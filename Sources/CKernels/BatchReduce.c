#include "BatchReduce.h"

#include <limits.h>

#include "LevelTargets.h"

#define SOURCE "BatchReduce.inc"
#include "EachLevel.inc"

void convoy_batch_reduce_f32(
    const struct ConvoyBatchReduce *shape, const float *a, const float *b, float *c) {
  CALL_LEVEL(batch_reduce, f32, shape, a, b, c)
}

void convoy_batch_reduce_f64(
    const struct ConvoyBatchReduce *shape, const double *a, const double *b, double *c) {
  CALL_LEVEL(batch_reduce, f64, shape, a, b, c)
}
