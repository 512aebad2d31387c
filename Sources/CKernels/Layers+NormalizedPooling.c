// Batch normalisation, optional ReLU and the maximum over windows in one sweep forward and one back, so
// that the normalised images are never stored. The windows do not overlap.
#include "NormalizationSums.h"
#include "VectorTargets.h"

// Channels compared together, as in Layers+Pooling.c.
enum { group = 32, halfGroup = 16 };

// What is asked of a window: its maxima y, and the x and the number of the first tap that has each.
enum wanted { wantsMaxima = 1, wantsChosen = 2, wantsTaps = 4 };

static inline __attribute__((always_inline))
void maxOfNormalizedWindow(
    const convoy_pool *p, const float *restrict x, long channels, const float *restrict scale,
    const float *restrict shift, const int relu, const int wanted, float *restrict y,
    float *restrict chosen, uint8_t *restrict tap) {
  float best[group], from[group];
  int number[group] = {0};
  for (long c = 0; c < channels; c++) {
    from[c] = x[c];
    best[c] = x[c] * scale[c] + shift[c];
  }
  for (int ty = 0, t = 0; ty < (int)p->window; ty++)
    for (int tx = 0; tx < (int)p->window; tx++, t++) {
      if (t == 0) continue;
      const float *restrict candidate = x + (ty * p->width + tx) * p->channels;
      for (long c = 0; c < channels; c++) {
        const float u = candidate[c];
        const float v = u * scale[c] + shift[c];
        // The first NaN wins, as in convoy_max_pool.
        const int better = (v > best[c]) | ((v != v) & (best[c] == best[c]));
        best[c] = better ? v : best[c];
        from[c] = better ? u : from[c];
        number[c] = better ? t : number[c];
      }
    }
  if (wanted & wantsMaxima)
    for (long c = 0; c < channels; c++) y[c] = relu && best[c] < 0 ? 0 : best[c];
  if (wanted & wantsChosen)
    for (long c = 0; c < channels; c++) chosen[c] = from[c];
  if (wanted & wantsTaps)
    for (long c = 0; c < channels; c++) tap[c] = (uint8_t)number[c];
}

// All channels of the windows `first ..< first + count`, counted through the batch.
static inline __attribute__((always_inline))
void maxOfNormalizedWindows(
    const convoy_pool *p, long first, long count, const float *restrict x,
    const float *restrict scale, const float *restrict shift, const int relu, const int wanted,
    float *restrict y, float *restrict chosen, uint8_t *restrict tap) {
  if (count == 0) return;
  const long channels = p->channels;
  long j = first % p->outWidth, i = first / p->outWidth % p->outHeight;
  long b = first / p->outWidth / p->outHeight;
  for (long w = 0; w < count; w++) {
    const float *restrict from =
        x + ((b * p->height + i * p->stride) * p->width + j * p->stride) * channels;
    const long at = w * channels;
    long c = 0;
    for (; c + group <= channels; c += group)
      maxOfNormalizedWindow(
          p, from + c, group, scale + c, shift + c, relu, wanted,
          wanted & wantsMaxima ? y + at + c : y, wanted & wantsChosen ? chosen + at + c : chosen,
          wanted & wantsTaps ? tap + at + c : tap);
    for (; c + halfGroup <= channels; c += halfGroup)
      maxOfNormalizedWindow(
          p, from + c, halfGroup, scale + c, shift + c, relu, wanted,
          wanted & wantsMaxima ? y + at + c : y, wanted & wantsChosen ? chosen + at + c : chosen,
          wanted & wantsTaps ? tap + at + c : tap);
    if (c < channels)
      maxOfNormalizedWindow(
          p, from + c, channels - c, scale + c, shift + c, relu, wanted,
          wanted & wantsMaxima ? y + at + c : y, wanted & wantsChosen ? chosen + at + c : chosen,
          wanted & wantsTaps ? tap + at + c : tap);
    if (++j < p->outWidth) continue;
    j = 0;
    if (++i < p->outHeight) continue;
    i = 0, b++;
  }
}

CONVOY_VECTOR_TARGETS
void convoy_normalized_max_pool(
    const convoy_pool *p, const float *restrict x, const float *restrict scale,
    const float *restrict shift, int relu, float *restrict y, float *restrict chosen,
    uint8_t *restrict tap) {
  const long count = p->batch * p->outHeight * p->outWidth;
  if (chosen)
    maxOfNormalizedWindows(
        p, 0, count, x, scale, shift, relu, wantsMaxima | wantsChosen | wantsTaps, y, chosen, tap);
  else
    maxOfNormalizedWindows(p, 0, count, x, scale, shift, relu, wantsMaxima, y, chosen, tap);
}

CONVOY_VECTOR_TARGETS
void convoy_normalized_max_pool_sums(
    const convoy_pool *p, long first, long count, const float *restrict x,
    const float *restrict dy, const float *restrict mean, const float *restrict scale,
    const float *restrict shift, int relu, double *restrict sum, double *restrict products,
    float *restrict scratch) {
  const long channels = p->channels;
  float *restrict chosen = scratch + convoy_channel_scratch(channels);
  for (long c = 0; c < channels; c++) sum[c] = products[c] = 0;
  for (long start = 0; start < count; start += blockRows) {
    const long n = count - start < blockRows ? count - start : blockRows;
    const float *restrict gradient = dy + start * channels;
    maxOfNormalizedWindows(
        p, first + start, n, x, scale, shift, 0, wantsChosen, 0, chosen, 0);
    if (relu)
      addBlockSums(
          n, channels, chosen, 0, gradient, mean, scale, shift, byInput, sum, products, scratch);
    else
      addBlockSums(
          n, channels, chosen, 0, gradient, mean, scale, shift, open, sum, products, scratch);
  }
}

// `count` pixels that are in no window.
static inline __attribute__((always_inline))
void outsideWindows(
    long count, long channels, const float *restrict x, const float *restrict mean,
    const float *restrict slope, const float *restrict constant, float *restrict dx) {
  for (long r = 0; r < count; r++, x += channels, dx += channels)
    for (long c = 0; c < channels; c++) dx[c] = slope[c] * (x[c] - mean[c]) + constant[c];
}

CONVOY_VECTOR_TARGETS
void convoy_normalized_max_pool_adjoint(
    const convoy_pool *p, const float *restrict x, const float *restrict dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift, int relu,
    const float *restrict slope, const float *restrict constant, float *restrict dx,
    uint8_t *restrict scratch) {
  const long channels = p->channels, window = p->window, width = p->width;
  for (long b = 0; b < p->batch; b++) {
    for (long i = 0; i < p->outHeight; i++) {
      const long row = (b * p->height + i * window) * width;
      maxOfNormalizedWindows(
          p, (b * p->outHeight + i) * p->outWidth, p->outWidth, x, scale, shift, 0, wantsTaps, 0, 0,
          scratch);
      for (long ty = 0; ty < window; ty++) {
        const float *restrict xr = x + (row + ty * width) * channels;
        float *restrict to = dx + (row + ty * width) * channels;
        const float *restrict g = dy;
        const uint8_t *restrict chosen = scratch;
        for (long j = 0; j < p->outWidth; j++, g += channels, chosen += channels)
          for (long tx = 0; tx < window; tx++, xr += channels, to += channels) {
            const int t = (int)(ty * window + tx);
            if (relu)
              for (long c = 0; c < channels; c++) {
                const int passes = (chosen[c] == t) & (xr[c] * scale[c] + shift[c] > 0);
                to[c] = scale[c] * (passes ? g[c] : 0)
                        + (slope[c] * (xr[c] - mean[c]) + constant[c]);
              }
            else
              for (long c = 0; c < channels; c++)
                to[c] = scale[c] * (chosen[c] == t ? g[c] : 0)
                        + (slope[c] * (xr[c] - mean[c]) + constant[c]);
          }
        outsideWindows(
            width - p->outWidth * window, channels, xr, mean, slope, constant, to);
      }
      dy += p->outWidth * channels;
    }
    const long row = (b * p->height + p->outHeight * window) * width;
    outsideWindows(
        (p->height - p->outHeight * window) * width, channels, x + row * channels, mean, slope,
        constant, dx + row * channels);
  }
}
