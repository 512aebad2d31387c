// Loops of a network's operators that are no contractions, at the speed of memory.
//
// Contract of every function: single-threaded; none allocates; what is computed is in the element type,
// and sums as PartialSums.h says. An output may lie where an input of its type does if it
// begins there too, and overlaps none otherwise.
#pragma once
#include <stdint.h>

enum ConvoyFunction {
  convoy_function_relu,
  convoy_function_gelu,
  convoy_function_silu,
  convoy_function_sigmoid,
  convoy_function_tanh,
};

enum ConvoyAlong { convoy_along_add, convoy_along_multiply, convoy_along_spread };

/// What a mask of Dropout is drawn with: the key, and the last two words of all counters.
struct ConvoyMask {
  uint32_t key[2];
  uint32_t step, stream;
  /// An element is kept if its word is at least this.
  uint32_t threshold;
};

#define CONVOY_OPERATORS(ELEMENT, SUFFIX)                                                          \
  /* y = f(x) */                                                                                   \
  void convoy_map_##SUFFIX(                                                                        \
      enum ConvoyFunction function, long count, const ELEMENT *x, ELEMENT *y);                     \
  /* gx = gy · f′, which is found from the function's value for relu, sigmoid and tanh, from its     \
     argument for the others. */                                                                   \
  void convoy_map_adjoint_##SUFFIX(                                                                \
      enum ConvoyFunction function, long count, const ELEMENT *read, const ELEMENT *gy,            \
      ELEMENT *gx);                                                                                \
  /* y = x[0] + x[1] + …, in that order; at least one. */                                          \
  void convoy_add_all_##SUFFIX(                                                                    \
      long terms, const ELEMENT *const *x, long start, long count, ELEMENT *y);                    \
  void convoy_multiply_##SUFFIX(long count, const ELEMENT *a, const ELEMENT *b, ELEMENT *y);       \
  void convoy_scale_##SUFFIX(long count, ELEMENT factor, const ELEMENT *x, ELEMENT *y);            \
  /* y[i, j] = x[i, j] + b[i, j], x[i, j] · b[i, j], or factor · b[i, j], where x and y are          \
     (outer, inner), and b lies at i·b_outer + j·b_inner; b_inner is 0 or 1. */                    \
  void convoy_along_##SUFFIX(                                                                      \
      enum ConvoyAlong what, long outer, long inner, const ELEMENT *x, const ELEMENT *b,           \
      long b_outer, long b_inner, ELEMENT factor, ELEMENT *y);                                     \
  /* total[c] += Σ_r x[r·step + c]; the rows of a call are summed in runs. */                      \
  void convoy_sum_rows_##SUFFIX(                                                                   \
      long rows, long step, long columns, const ELEMENT *x, double *total);                        \
  /* total[r] += Σ_c x[r·step + c] */                                                              \
  void convoy_sum_each_##SUFFIX(                                                                   \
      long rows, long step, long columns, const ELEMENT *x, double *total);                        \
  /* y = total · factor, or total / divisor where that is not 0. */                                \
  void convoy_sums_##SUFFIX(                                                                       \
      long count, const double *total, double factor, double divisor, ELEMENT *y);                 \
  /* y = x·factor where x's element of the whole tensor, from `first` on, is kept, else x·0. */    \
  void convoy_dropout_##SUFFIX(                                                                    \
      const struct ConvoyMask *mask, uint64_t first, long count, ELEMENT factor, const ELEMENT *x, \
      ELEMENT *y);

CONVOY_OPERATORS(float, f32)
CONVOY_OPERATORS(double, f64)
#undef CONVOY_OPERATORS

void convoy_to_double(long count, const float *x, double *y);
void convoy_to_float(long count, const double *x, float *y);
