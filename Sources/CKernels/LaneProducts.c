#include "LaneProducts.h"

#include "InstructionLevel.h"

#if CONVOY_HAS_LEVELS
#define TARGET CONVOY_LEVEL_4
#define ELEMENT float
#define NAMED(name) name##_f32_level4
#include "LaneProducts.inc"
#undef ELEMENT
#undef NAMED
#define ELEMENT double
#define NAMED(name) name##_f64_level4
#include "LaneProducts.inc"
#undef ELEMENT
#undef NAMED
#undef TARGET

#define TARGET CONVOY_LEVEL_3
#define ELEMENT float
#define NAMED(name) name##_f32_level3
#include "LaneProducts.inc"
#undef ELEMENT
#undef NAMED
#define ELEMENT double
#define NAMED(name) name##_f64_level3
#include "LaneProducts.inc"
#undef ELEMENT
#undef NAMED
#undef TARGET
#endif

#define TARGET
#define ELEMENT float
#define NAMED(name) name##_f32_any
#include "LaneProducts.inc"
#undef ELEMENT
#undef NAMED
#define ELEMENT double
#define NAMED(name) name##_f64_any
#include "LaneProducts.inc"
#undef ELEMENT
#undef NAMED

#if CONVOY_HAS_LEVELS
#define DISPATCH(name)                                                \
  switch (convoy_instruction_level()) {                               \
    case 4: lane_products_##name##_level4(shape, a, b, c); return;        \
    case 3: lane_products_##name##_level3(shape, a, b, c); return;        \
  }
#else
#define DISPATCH(name)
#endif

void convoy_lane_products_f32(
    const struct ConvoyLaneProducts *shape, const float *a, const float *b, float *c) {
  DISPATCH(f32)
  lane_products_f32_any(shape, a, b, c);
}

void convoy_lane_products_f64(
    const struct ConvoyLaneProducts *shape, const double *a, const double *b, double *c) {
  DISPATCH(f64)
  lane_products_f64_any(shape, a, b, c);
}
