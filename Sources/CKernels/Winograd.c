#include "Winograd.h"

#include "BatchReduce.h"
#include "LevelTargets.h"

#define SOURCE "Winograd.inc"
#include "EachLevel.inc"

void convoy_winograd_f32(const struct ConvoyWinograd *shape, const float *from, float *to) {
  CALL_LEVEL(winograd, f32, shape, from, to)
}

void convoy_winograd_f64(const struct ConvoyWinograd *shape, const double *from, double *to) {
  CALL_LEVEL(winograd, f64, shape, from, to)
}
