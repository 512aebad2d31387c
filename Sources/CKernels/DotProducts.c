#include "DotProducts.h"

#include "LevelTargets.h"

#define SOURCE "DotProducts.inc"
#include "EachLevel.inc"

void convoy_dot_products_f32(
    const struct ConvoyDotProducts *shape, const float *a, const float *b, float *c) {
  CALL_LEVEL(dot_products, f32, shape, a, b, c)
}

void convoy_dot_products_f64(
    const struct ConvoyDotProducts *shape, const double *a, const double *b, double *c) {
  CALL_LEVEL(dot_products, f64, shape, a, b, c)
}
