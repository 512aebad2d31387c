// The sums that the gradient of a normalisation is made of, block by block of its rows.
#pragma once
#include "Layers.h"

// Rows per block: a block of 512 channels still fits a 256 KiB L2, so that its second pass does not
// reach memory, and float sums of so few terms lose less than two bits.
enum { blockRows = 64 };

// Where a gradient comes through: everywhere, or through a ReLU, whose input is computed again as in
// convoy_scale_shift rather than kept, or whose output is at hand.
enum gate { open, byInput, byOutput };

static inline __attribute__((always_inline))
float gated(float x, float y, float dy, float scale, float shift, const enum gate gate) {
  if (gate == byInput) return x * scale + shift > 0 ? dy : 0;
  if (gate == byOutput) return y > 0 ? dy : 0;
  return dy;
}

// sum += Σ g and products += Σ g·(x − mean) of up to blockRows rows. y only counts by output, scale and shift by
// input. scratch: convoy_channel_scratch(channels).
static inline __attribute__((always_inline))
void addBlockSums(
    long rows, long channels, const float *restrict x, const float *restrict y,
    const float *restrict dy, const float *restrict mean, const float *restrict scale,
    const float *restrict shift, const enum gate gate, double *restrict sum,
    double *restrict products, float *restrict scratch) {
  float *restrict total = scratch;
  float *restrict product = scratch + channels;
  for (long c = 0; c < channels; c++) total[c] = product[c] = 0;
  long r = 0;
  for (; r + 2 <= rows; r += 2) {
    const float *restrict x0 = x + r * channels, *restrict x1 = x0 + channels;
    const float *restrict dy0 = dy + r * channels, *restrict dy1 = dy0 + channels;
    const float *restrict y0 = gate == byOutput ? y + r * channels : x0;
    const float *restrict y1 = gate == byOutput ? y0 + channels : x1;
    for (long c = 0; c < channels; c++) {
      const float g0 = gated(x0[c], y0[c], dy0[c], scale[c], shift[c], gate);
      const float g1 = gated(x1[c], y1[c], dy1[c], scale[c], shift[c], gate);
      total[c] += g0 + g1;
      product[c] += g0 * (x0[c] - mean[c]) + g1 * (x1[c] - mean[c]);
    }
  }
  for (; r < rows; r++)
    for (long c = 0; c < channels; c++) {
      const long i = r * channels + c;
      const float g = gated(x[i], gate == byOutput ? y[i] : 0, dy[i], scale[c], shift[c], gate);
      total[c] += g;
      product[c] += g * (x[i] - mean[c]);
    }
  for (long c = 0; c < channels; c++) {
    sum[c] += total[c];
    products[c] += product[c];
  }
}
