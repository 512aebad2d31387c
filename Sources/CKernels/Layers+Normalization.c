// Batch normalisation over (rows, channels): two sweeps forward (moments, then apply), two back.
#include "Layers.h"
#include "VectorTargets.h"

// Rows per block: a block of 512 channels still fits a 256 KiB L2, so that its second pass does not
// reach memory, and float sums of so few terms lose less than two bits.
enum { blockRows = 64 };

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

CONVOY_VECTOR_TARGETS
void convoy_scale_shift(
    long rows, long channels, const float *restrict x, const float *restrict scale,
    const float *restrict shift, int relu, float *restrict y) {
  for (long r = 0; r < rows; r++) {
    const float *restrict from = x + r * channels;
    float *restrict to = y + r * channels;
    if (relu) {
      for (long c = 0; c < channels; c++) {
        const float v = from[c] * scale[c] + shift[c];
        to[c] = v < 0 ? 0 : v;
      }
    } else {
      for (long c = 0; c < channels; c++) to[c] = from[c] * scale[c] + shift[c];
    }
  }
}

// The output's gradient behind the optional ReLU, whose input is computed again as in
// convoy_scale_shift rather than kept.
static inline __attribute__((always_inline))
float gated(float x, float dy, float scale, float shift, int relu) {
  return !relu || x * scale + shift > 0 ? dy : 0;
}

static inline __attribute__((always_inline))
void normalizationSums(
    long rows, long channels, const float *restrict x, const float *restrict dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift,
    const int relu, double *restrict sum, double *restrict products, float *restrict scratch) {
  float *restrict total = scratch;
  float *restrict product = scratch + channels;
  for (long c = 0; c < channels; c++) sum[c] = products[c] = 0;
  for (long start = 0; start < rows; start += blockRows) {
    const long end = rows - start < blockRows ? rows : start + blockRows;
    for (long c = 0; c < channels; c++) total[c] = product[c] = 0;
    long r = start;
    for (; r + 2 <= end; r += 2) {
      const float *restrict x0 = x + r * channels, *restrict x1 = x0 + channels;
      const float *restrict dy0 = dy + r * channels, *restrict dy1 = dy0 + channels;
      for (long c = 0; c < channels; c++) {
        const float g0 = gated(x0[c], dy0[c], scale[c], shift[c], relu);
        const float g1 = gated(x1[c], dy1[c], scale[c], shift[c], relu);
        total[c] += g0 + g1;
        product[c] += g0 * (x0[c] - mean[c]) + g1 * (x1[c] - mean[c]);
      }
    }
    for (; r < end; r++)
      for (long c = 0; c < channels; c++) {
        const long i = r * channels + c;
        const float g = gated(x[i], dy[i], scale[c], shift[c], relu);
        total[c] += g;
        product[c] += g * (x[i] - mean[c]);
      }
    for (long c = 0; c < channels; c++) {
      sum[c] += total[c];
      products[c] += product[c];
    }
  }
}

CONVOY_VECTOR_TARGETS
void convoy_normalization_sums(
    long rows, long channels, const float *restrict x, const float *restrict dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift, int relu,
    double *restrict sum, double *restrict products, float *restrict scratch) {
  if (relu)
    normalizationSums(rows, channels, x, dy, mean, scale, shift, 1, sum, products, scratch);
  else
    normalizationSums(rows, channels, x, dy, mean, scale, shift, 0, sum, products, scratch);
}

static inline __attribute__((always_inline))
void normalizationBackward(
    long rows, long channels, const float *restrict x, const float *restrict dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift,
    const int relu, const float *restrict slope, const float *restrict constant,
    float *restrict dx) {
  for (long r = 0; r < rows; r++) {
    const float *restrict xr = x + r * channels, *restrict dyr = dy + r * channels;
    float *restrict to = dx + r * channels;
    for (long c = 0; c < channels; c++)
      to[c] = scale[c] * gated(xr[c], dyr[c], scale[c], shift[c], relu)
              + (slope[c] * (xr[c] - mean[c]) + constant[c]);
  }
}

CONVOY_VECTOR_TARGETS
void convoy_normalization_backward(
    long rows, long channels, const float *restrict x, const float *restrict dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift, int relu,
    const float *restrict slope, const float *restrict constant, float *restrict dx) {
  if (relu)
    normalizationBackward(rows, channels, x, dy, mean, scale, shift, 1, slope, constant, dx);
  else
    normalizationBackward(rows, channels, x, dy, mean, scale, shift, 0, slope, constant, dx);
}
