// The batch-reduce GEMM: the one building block of contractions and convolutions.
#pragma once
#include "InstructionLevel.h"
#include "PartialSums.h"
#include "VectorTargets.h"

/// A small matrix that is the sum of many products:
///
///     c[j, i] (+)= Σ_t Σ_k a[a_offsets[t] + k·a_k + i] · b[b_offsets[t] + k·b_k + j·b_j]
///
/// for i < lanes, j < columns, k < depth, t < count; c[j, i] lies at j·c_j + i. Contracted modes and
/// the taps of a convolution are both that sum. Along i, which is vectorised, a and c are contiguous;
/// b may have any strides, for its elements are broadcast. (Heinecke et al. 2016, LIBXSMM; Georganas
/// et al. 2020, arXiv 1906.06440.)
struct ConvoyBatchReduce {
  /// Which version of the kernel runs.
  enum ConvoyInstructionLevel level;
  /// At most CONVOY_LANES.
  long lanes;
  long columns, depth, count;
  const long *a_offsets, *b_offsets;
  long a_k, b_k, b_j, c_j;
  /// Terms of a run, or LONG_MAX (see `PartialSums.h`); and where what additions to c round off is added up, in
  /// bytes from each element of c, 0 for nowhere. What is there is added to.
  long run, low;
  /// Whether c is added to; else it is overwritten.
  int adding;
  /// How many such matrices there are, at least one, and the steps from each to the next. All of them
  /// are made for as many columns as fit into registers before the next columns are taken.
  long repeats;
  long a_r, b_r, c_r;
};

/// Elements of a, from i = 0 on, that may be read at every k: all of these, or half or a quarter where
/// lanes are no more than that.
#define CONVOY_LANES 16

/// Lanes that lie at least so many elements apart from step to step of the sum are not taken in pairs of
/// blocks where columns are many.
#define CONVOY_LANES_APART (8 * CONVOY_LANES)

/// How many of `most` columns the kernel takes at a time, `apart` bytes from each other. Lines that are a
/// multiple of half a page apart want the same two sets of a first-level cache, or the same one, of 8 or 12
/// lines each: with more columns each line would have left when its next element is read.
static inline long convoy_columns_at_once(long most, long apart) {
  const long fitting = apart == 0 || apart % 2048 != 0 ? most : apart % 4096 != 0 ? 14 : 10;
  return fitting < most ? fitting : most;
}

/// No tensor overlaps c.
void convoy_batch_reduce_f32(
    const struct ConvoyBatchReduce *shape, const float *a, const float *b, float *c);
void convoy_batch_reduce_f64(
    const struct ConvoyBatchReduce *shape, const double *a, const double *b, double *c);
