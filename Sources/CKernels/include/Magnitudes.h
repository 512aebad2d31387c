// Magnitudes of elements, to find those that a kernel must not meet.
#pragma once
#include <stdint.h>

#include "VectorTargets.h"

/// A magnitude as a number of 31 bits that grows with it: the sign of a float left out, or of a double and
/// without its lower half. What is not finite has the largest numbers, a NaN none less than infinity.
typedef uint32_t ConvoyMagnitude;

/// to[Σ i·to_strides] = the larger of itself and the magnitude of from[Σ i·from_strides], for all indices i: where
/// a stride in `to` is 0, the largest along that dimension. Extents and strides stand outermost first; rank ≤ 64.
void convoy_magnitudes_f32(
    long rank, const long *extents, ConvoyMagnitude *to, const long *to_strides, const float *from,
    const long *from_strides);
void convoy_magnitudes_f64(
    long rank, const long *extents, ConvoyMagnitude *to, const long *to_strides, const double *from,
    const long *from_strides);

/// counts[e] += how many of from[0], from[step], … < count have the biased exponent e, which is 1 for subnormal numbers
/// too. Zeros are not counted.
void convoy_count_exponents_f32(long count, const float *from, long step, long *counts);
void convoy_count_exponents_f64(long count, const double *from, long step, long *counts);

/// The largest magnitude of elements that follow each other; 0 of none.
ConvoyMagnitude convoy_largest_f32(long count, const float *from);
ConvoyMagnitude convoy_largest_f64(long count, const double *from);

/// Of rows of a matrix, to[i] = the larger of to[i] and from[i].
void convoy_raise(
    long rows, long count, ConvoyMagnitude *to, long to_row, const ConvoyMagnitude *from, long from_row);

/// The least that is not 0, and the largest; 0 of none.
struct ConvoyMagnitudeRange {
  ConvoyMagnitude least, most;
};
struct ConvoyMagnitudeRange convoy_magnitude_range(long count, const ConvoyMagnitude *from);
