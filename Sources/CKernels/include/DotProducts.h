// Matrices of dot products: sums along which both sources are contiguous.
#pragma once
#include "InstructionLevel.h"
#include "PartialSums.h"
#include "VectorTargets.h"

/// A matrix of dot products:
///
///     c[i, j] (+)= Σ_t Σ_k a[a_offsets[t] + i·a_i + k] · b[b_offsets[t] + j·b_j + k]
///
/// for i < rows, j < columns, k < depth, t < count; c[i, j] lies at i·c_i + j·c_j. The sum over k is what is
/// vectorised: the gradient of a factor, where both features have their pixels innermost.
struct ConvoyDotProducts {
  /// Which version of the kernel runs.
  enum ConvoyInstructionLevel level;
  long rows, columns, depth, count;
  const long *a_offsets, *b_offsets;
  long a_i, b_j, c_i, c_j;
  /// Terms of a run of each lane (see `PartialSums.h`), or LONG_MAX.
  long run;
  /// Where what additions to c round off is added up, in bytes from each element of c, 0 for nowhere. What is there is
  /// added to.
  long low;
  /// Whether c is added to; else it is overwritten.
  int adding;
};

/// No tensor overlaps c.
void convoy_dot_products_f32(
    const struct ConvoyDotProducts *shape, const float *a, const float *b, float *c);
void convoy_dot_products_f64(
    const struct ConvoyDotProducts *shape, const double *a, const double *b, double *c);
