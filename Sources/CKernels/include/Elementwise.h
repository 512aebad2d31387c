// Element-wise loops of the pairwise kernel: multiply-add over two strided loops, and permutation.
#pragma once
#include "VectorTargets.h"

/// Steps in elements from one index to the next of an outer (1) and an inner (0) loop.
struct ConvoyStrides {
  long outer;
  long inner;
};

/// d[i, j] += p[i, j] · q[i, j] for i < outer, j < inner, each tensor addressed by its own strides;
/// a stride of 0 repeats an element (in d: sums into it, see PartialSums.h). d overlaps neither p nor q. What
/// additions to d round off is added up `low` bytes from each element of d, unless that is 0.
void convoy_multiply_add_f32(
    long outer, long inner, float *d, struct ConvoyStrides ds, const float *p,
    struct ConvoyStrides ps, const float *q, struct ConvoyStrides qs, long low);
void convoy_multiply_add_f64(
    long outer, long inner, double *d, struct ConvoyStrides ds, const double *p,
    struct ConvoyStrides ps, const double *q, struct ConvoyStrides qs, long low);

/// Copies a strided tensor of `rank` dimensions: to[Σ i·toStrides] = from[Σ i·fromStrides].
/// Extents and strides stand outermost first; rank ≤ 64.
void convoy_permute_f32(
    long rank, const long *extents, float *to, const long *toStrides, const float *from,
    const long *fromStrides);
void convoy_permute_f64(
    long rank, const long *extents, double *to, const long *toStrides, const double *from,
    const long *fromStrides);

/// Adds a strided tensor to another: to[Σ i·toStrides] += from[Σ i·fromStrides], each element of `to`
/// once. Extents and strides stand outermost first; rank ≤ 64. The two do not overlap.
void convoy_add_f32(
    long rank, const long *extents, float *to, const long *toStrides, const float *from,
    const long *fromStrides);
void convoy_add_f64(
    long rank, const long *extents, double *to, const long *toStrides, const double *from,
    const long *fromStrides);
