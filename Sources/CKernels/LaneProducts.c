#include "LaneProducts.h"

#include "LevelTargets.h"

#define SOURCE "LaneProducts.inc"
#include "EachLevel.inc"

void convoy_lane_products_f32(
    const struct ConvoyLaneProducts *shape, const float *a, const float *b, float *c) {
  CALL_LEVEL(lane_products, f32, shape, a, b, c)
}

void convoy_lane_products_f64(
    const struct ConvoyLaneProducts *shape, const double *a, const double *b, double *c) {
  CALL_LEVEL(lane_products, f64, shape, a, b, c)
}
