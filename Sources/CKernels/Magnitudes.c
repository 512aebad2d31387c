#include "Magnitudes.h"

#define ELEMENT float
#define BITS uint32_t
#define MAGNITUDE(bits) ((bits) & 0x7fffffff)
#define EXPONENT_SHIFT 23
#define NAMED(name) name##_f32
#include "Magnitudes.inc"
#undef ELEMENT
#undef BITS
#undef MAGNITUDE
#undef EXPONENT_SHIFT
#undef NAMED

#define ELEMENT double
#define BITS uint64_t
#define MAGNITUDE(bits) ((uint32_t)((bits) >> 32) & 0x7fffffff)
#define EXPONENT_SHIFT 20
#define NAMED(name) name##_f64
#include "Magnitudes.inc"

CONVOY_VECTOR_TARGETS
void convoy_raise(
    long rows, long count, ConvoyMagnitude *restrict to, long to_row,
    const ConvoyMagnitude *restrict from, long from_row) {
  for (; rows > 0; rows--, to += to_row, from += from_row)
    for (long k = 0; k < count; k++) to[k] = from[k] > to[k] ? from[k] : to[k];
}

CONVOY_VECTOR_TARGETS
struct ConvoyMagnitudeRange convoy_magnitude_range(long count, const ConvoyMagnitude *from) {
  // Less one, 0 becomes the largest of all.
  ConvoyMagnitude least = -1, most = 0;
  for (long k = 0; k < count; k++) {
    const ConvoyMagnitude before = from[k] - 1;
    least = before < least ? before : least;
    most = from[k] > most ? from[k] : most;
  }
  return (struct ConvoyMagnitudeRange){least + 1, most};
}
