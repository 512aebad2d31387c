#include "Winograd.h"

#include "BatchReduce.h"
#include "InstructionLevel.h"

#if CONVOY_HAS_LEVELS
#define TARGET CONVOY_LEVEL_4
#define ELEMENT float
#define NAMED(name) name##_f32_level4
#include "Winograd.inc"
#undef ELEMENT
#undef NAMED
#define ELEMENT double
#define NAMED(name) name##_f64_level4
#include "Winograd.inc"
#undef ELEMENT
#undef NAMED
#undef TARGET

#define TARGET CONVOY_LEVEL_3
#define ELEMENT float
#define NAMED(name) name##_f32_level3
#include "Winograd.inc"
#undef ELEMENT
#undef NAMED
#define ELEMENT double
#define NAMED(name) name##_f64_level3
#include "Winograd.inc"
#undef ELEMENT
#undef NAMED
#undef TARGET
#endif

#define TARGET
#define ELEMENT float
#define NAMED(name) name##_f32_any
#include "Winograd.inc"
#undef ELEMENT
#undef NAMED
#define ELEMENT double
#define NAMED(name) name##_f64_any
#include "Winograd.inc"
#undef ELEMENT
#undef NAMED

#if CONVOY_HAS_LEVELS
#define DISPATCH(name)                                                \
  switch (convoy_instruction_level()) {                               \
    case 4: winograd_##name##_level4(shape, from, to); return;        \
    case 3: winograd_##name##_level3(shape, from, to); return;        \
  }
#else
#define DISPATCH(name)
#endif

void convoy_winograd_f32(const struct ConvoyWinograd *shape, const float *from, float *to) {
  DISPATCH(f32)
  winograd_f32_any(shape, from, to);
}

void convoy_winograd_f64(const struct ConvoyWinograd *shape, const double *from, double *to) {
  DISPATCH(f64)
  winograd_f64_any(shape, from, to);
}
