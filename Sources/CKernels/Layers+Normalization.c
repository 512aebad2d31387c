// Batch normalisation over (rows, channels): two sweeps forward (moments, then apply), two back.
#include "NormalizationSums.h"
#include "VectorTargets.h"

// What is in place has no loop in which one index needs another.
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)") for

CONVOY_VECTOR_TARGETS
void convoy_channel_moments(
    long rows, long channels, const float *restrict x, double *restrict sum,
    double *restrict squares, float *restrict scratch) {
  float *restrict total = scratch;
  float *restrict deviation = scratch + channels;
  for (long c = 0; c < channels; c++) sum[c] = squares[c] = 0;
  for (long start = 0; start < rows; start += blockRows) {
    const long n = rows - start < blockRows ? rows - start : blockRows;
    const float *block = x + start * channels;
    for (long c = 0; c < channels; c++) total[c] = deviation[c] = 0;
    long r = 0;
    for (; r + 4 <= n; r += 4) {
      const float *row = block + r * channels;
      for (long c = 0; c < channels; c++)
        total[c] += (row[c] + row[c + channels]) + (row[c + 2 * channels] + row[c + 3 * channels]);
    }
    for (; r < n; r++)
      for (long c = 0; c < channels; c++) total[c] += block[r * channels + c];
    const float inverse = 1.0f / (float)n;
    for (r = 0; r < n; r++) {
      const float *row = block + r * channels;
      for (long c = 0; c < channels; c++) {
        const float d = row[c] - total[c] * inverse;
        deviation[c] += d * d;
      }
    }
    // Σx² = Σ(x − m)² + 2mΣx − n·m², whatever m is: the rounding of the block's mean cancels.
    for (long c = 0; c < channels; c++) {
      const double s = total[c], m = total[c] * inverse;
      sum[c] += s;
      squares[c] += (double)deviation[c] + m * (2 * s - (double)n * m);
    }
  }
}

// Without fused operations, whose rounding depends on the instruction set: what a layer makes of equal sums has
// the same bits on every machine.
CONVOY_VECTOR_TARGETS
void convoy_channel_affine(
    long channels, double count, double epsilon, const double *restrict sum,
    const double *restrict squares, const float *restrict gamma, const float *restrict beta,
    double *restrict inverse, float *restrict mean, float *restrict scale, float *restrict shift) {
#pragma STDC FP_CONTRACT OFF
  for (long c = 0; c < channels; c++) {
    const double m = sum[c] / count;
    // Rounding must not make a constant channel's variance negative; NaN stays NaN.
    const double spread = squares[c] / count - m * m;
    const double deviation = __builtin_elementwise_sqrt((spread < 0 ? 0 : spread) + epsilon);
    const double i = 1 / deviation;
    const double s = gamma ? (double)gamma[c] * i : i;
    const double b = beta ? (double)beta[c] : 0;
    inverse[c] = i;
    mean[c] = (float)m;
    scale[c] = (float)s;
    shift[c] = (float)(b - m * s);
  }
}

CONVOY_VECTOR_TARGETS
void convoy_gradient_line(
    long channels, double count, const float *restrict scale, const double *restrict inverse,
    const double *restrict sum, const double *restrict products, float *restrict slope,
    float *restrict constant) {
#pragma STDC FP_CONTRACT OFF
  for (long c = 0; c < channels; c++) {
    const double s = (double)scale[c] / count;
    slope[c] = (float)(-s * inverse[c] * products[c]);
    constant[c] = (float)(-s * sum[c]);
  }
}

CONVOY_VECTOR_TARGETS
void convoy_scale_shift(
    long rows, long channels, const float *x, const float *restrict scale,
    const float *restrict shift, int relu, float *y) {
  for (long r = 0; r < rows; r++) {
    const float *from = x + r * channels;
    float *to = y + r * channels;
    if (relu) {
      INDEPENDENT (long c = 0; c < channels; c++) {
        const float v = from[c] * scale[c] + shift[c];
        to[c] = v < 0 ? 0 : v;
      }
    } else {
      INDEPENDENT (long c = 0; c < channels; c++) to[c] = from[c] * scale[c] + shift[c];
    }
  }
}

static inline __attribute__((always_inline))
void scaleShiftAdd(
    long rows, long channels, const float *x, const float *restrict scale,
    const float *restrict shift, const float *other, const float *restrict otherScale,
    const float *restrict otherShift, const int isScaled, float *y) {
  for (long r = 0; r < rows; r++) {
    const float *from = x + r * channels, *second = other + r * channels;
    float *to = y + r * channels;
    INDEPENDENT (long c = 0; c < channels; c++) {
      const float u = isScaled ? second[c] * otherScale[c] + otherShift[c] : second[c];
      const float own = from[c] * scale[c] + shift[c];
      const float v = own + u;
      to[c] = v < 0 ? 0 : v;
    }
  }
}

CONVOY_VECTOR_TARGETS
void convoy_scale_shift_add(
    long rows, long channels, const float *x, const float *restrict scale,
    const float *restrict shift, const float *other, const float *restrict otherScale,
    const float *restrict otherShift, float *y) {
  if (otherScale)
    scaleShiftAdd(rows, channels, x, scale, shift, other, otherScale, otherShift, 1, y);
  else
    scaleShiftAdd(rows, channels, x, scale, shift, other, otherScale, otherShift, 0, y);
}

static inline __attribute__((always_inline))
void normalizationSums(
    long rows, long channels, const float *restrict x, const float *restrict y,
    const float *restrict dy, const float *restrict mean, const float *restrict scale,
    const float *restrict shift, const enum gate gate, double *restrict sum,
    double *restrict products, float *restrict scratch) {
  for (long c = 0; c < channels; c++) sum[c] = products[c] = 0;
  for (long start = 0; start < rows; start += blockRows) {
    const long n = rows - start < blockRows ? rows - start : blockRows, at = start * channels;
    addBlockSums(
        n, channels, x + at, gate == byOutput ? y + at : y, dy + at, mean, scale, shift, gate, sum,
        products, scratch);
  }
}

CONVOY_VECTOR_TARGETS
void convoy_normalization_sums(
    long rows, long channels, const float *restrict x, const float *restrict dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift, int relu,
    double *restrict sum, double *restrict products, float *restrict scratch) {
  if (relu)
    normalizationSums(
        rows, channels, x, 0, dy, mean, scale, shift, byInput, sum, products, scratch);
  else
    normalizationSums(rows, channels, x, 0, dy, mean, scale, shift, open, sum, products, scratch);
}

CONVOY_VECTOR_TARGETS
void convoy_gated_normalization_sums(
    long rows, long channels, const float *restrict x, const float *restrict y,
    const float *restrict dy, const float *restrict mean, double *restrict sum,
    double *restrict products, float *restrict scratch) {
  normalizationSums(rows, channels, x, y, dy, mean, mean, mean, byOutput, sum, products, scratch);
}

static inline __attribute__((always_inline))
void normalizationBackward(
    long rows, long channels, const float *restrict x, const float *restrict y, const float *dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift,
    const enum gate gate, const float *restrict slope, const float *restrict constant, float *dx) {
  for (long r = 0; r < rows; r++) {
    const float *restrict xr = x + r * channels;
    const float *restrict yr = gate == byOutput ? y + r * channels : y;
    const float *dyr = dy + r * channels;
    float *to = dx + r * channels;
    INDEPENDENT (long c = 0; c < channels; c++)
      to[c] = scale[c] * gated(xr[c], gate == byOutput ? yr[c] : 0, dyr[c], scale[c], shift[c], gate)
              + (slope[c] * (xr[c] - mean[c]) + constant[c]);
  }
}

CONVOY_VECTOR_TARGETS
void convoy_normalization_backward(
    long rows, long channels, const float *restrict x, const float *dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift, int relu,
    const float *restrict slope, const float *restrict constant, float *dx) {
  if (relu)
    normalizationBackward(
        rows, channels, x, 0, dy, mean, scale, shift, byInput, slope, constant, dx);
  else
    normalizationBackward(rows, channels, x, 0, dy, mean, scale, shift, open, slope, constant, dx);
}

CONVOY_VECTOR_TARGETS
void convoy_gated_normalization_backward(
    long rows, long channels, const float *restrict x, const float *restrict y, const float *dy,
    const float *restrict mean, const float *restrict scale, const float *restrict slope,
    const float *restrict constant, float *dx) {
  normalizationBackward(
      rows, channels, x, y, dy, mean, scale, scale, byOutput, slope, constant, dx);
}
