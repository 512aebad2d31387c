#include "BatchReduce.h"

#include "InstructionLevel.h"

// Compiled by hand for each instruction set, for the number of sums that registers hold differs:
// 32 vectors of 64 bytes with AVX-512, 16 of 32 bytes with AVX2. (`target_clones` compiles one
// source for all.)
#if CONVOY_HAS_LEVELS
#define TARGET CONVOY_LEVEL_4
#define COLUMNS 8
#define ELEMENT float
#define NAMED(name) name##_f32_level4
#include "BatchReduce.inc"
#undef ELEMENT
#undef NAMED
#define ELEMENT double
#define NAMED(name) name##_f64_level4
#include "BatchReduce.inc"
#undef ELEMENT
#undef NAMED
#undef COLUMNS
#undef TARGET

#define TARGET CONVOY_LEVEL_3
#define COLUMNS 6
#define ELEMENT float
#define NAMED(name) name##_f32_level3
#include "BatchReduce.inc"
#undef ELEMENT
#undef NAMED
#undef COLUMNS
#define COLUMNS 3
#define ELEMENT double
#define NAMED(name) name##_f64_level3
#include "BatchReduce.inc"
#undef ELEMENT
#undef NAMED
#undef COLUMNS
#undef TARGET
#endif

#define TARGET
#define COLUMNS 6
#define ELEMENT float
#define NAMED(name) name##_f32_any
#include "BatchReduce.inc"
#undef ELEMENT
#undef NAMED
#undef COLUMNS
#define COLUMNS 3
#define ELEMENT double
#define NAMED(name) name##_f64_any
#include "BatchReduce.inc"
#undef ELEMENT
#undef NAMED

#if CONVOY_HAS_LEVELS
#define DISPATCH(name)                                             \
  switch (convoy_instruction_level()) {                            \
    case 4: batch_reduce_##name##_level4(shape, a, b, c); return;  \
    case 3: batch_reduce_##name##_level3(shape, a, b, c); return;  \
  }
#else
#define DISPATCH(name)
#endif

void convoy_batch_reduce_f32(
    const struct ConvoyBatchReduce *shape, const float *a, const float *b, float *c) {
  DISPATCH(f32)
  batch_reduce_f32_any(shape, a, b, c);
}

void convoy_batch_reduce_f64(
    const struct ConvoyBatchReduce *shape, const double *a, const double *b, double *c) {
  DISPATCH(f64)
  batch_reduce_f64_any(shape, a, b, c);
}
