#include "Magnitudes.h"

#define ELEMENT float
#define BITS uint32_t
#define MAGNITUDE(bits) ((bits) & 0x7fffffff)
#define NAMED(name) name##_f32
#include "Magnitudes.inc"
#undef ELEMENT
#undef BITS
#undef MAGNITUDE
#undef NAMED

#define ELEMENT double
#define BITS uint64_t
#define MAGNITUDE(bits) ((uint32_t)((bits) >> 32) & 0x7fffffff)
#define NAMED(name) name##_f64
#include "Magnitudes.inc"
