// Element-wise products under a sum: what depthwise convolutions and element-wise modes come down to.
#pragma once
#include "InstructionLevel.h"
#include "PartialSums.h"
#include "VectorTargets.h"

/// Rows of sums of element-wise products:
///
///     c[j, i] (+)= Σ_t Σ_k a[a_offsets[t] + k·a_k + j·a_j + i] · b[b_offsets[t] + k·b_k + j·b_j + i·b_i]
///
/// for i < lanes, j < columns, k < depth, t < count; c[j, i] lies at j·c_j + i. Along i, which is
/// vectorised, a is contiguous and b is too (b_i = 1) or repeated (0).
struct ConvoyLaneProducts {
  /// Which version of the kernel runs.
  enum ConvoyInstructionLevel level;
  long lanes, columns, depth, count;
  const long *a_offsets, *b_offsets;
  long a_k, b_k, a_j, b_j, c_j, b_i;
  /// Terms of a run, or LONG_MAX (see `PartialSums.h`); and where what additions to c round off is added up, in
  /// bytes from each element of c, 0 for nowhere. What is there is added to.
  long run, low;
  /// Whether c is added to; else it is overwritten.
  int adding;
};

/// No tensor overlaps c.
void convoy_lane_products_f32(
    const struct ConvoyLaneProducts *shape, const float *a, const float *b, float *c);
void convoy_lane_products_f64(
    const struct ConvoyLaneProducts *shape, const double *a, const double *b, double *c);
