// Batch normalisation, optional ReLU and the maximum over windows in one sweep forward and one back, so
// that the normalised images are never stored. The windows do not overlap.
#include "Layers.h"
#include "VectorTargets.h"

// Channels compared together, as in Layers+Pooling.c.
enum { group = 32 };

static inline __attribute__((always_inline))
void maxOfNormalizedWindow(
    const convoy_pool *p, const float *restrict x, long channels, const float *restrict scale,
    const float *restrict shift, const int relu, float *restrict y, float *restrict chosen,
    uint8_t *restrict tap) {
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
  for (long c = 0; c < channels; c++) y[c] = relu && best[c] < 0 ? 0 : best[c];
  for (long c = 0; c < channels; c++) chosen[c] = from[c];
  for (long c = 0; c < channels; c++) tap[c] = (uint8_t)number[c];
}

CONVOY_VECTOR_TARGETS
void convoy_normalized_max_pool(
    const convoy_pool *p, const float *restrict x, const float *restrict scale,
    const float *restrict shift, int relu, float *restrict y, float *restrict chosen,
    uint8_t *restrict tap) {
  const long channels = p->channels;
  for (long b = 0; b < p->batch; b++)
    for (long i = 0; i < p->outHeight; i++)
      for (long j = 0; j < p->outWidth; j++) {
        const float *restrict from =
            x + ((b * p->height + i * p->stride) * p->width + j * p->stride) * channels;
        long c = 0;
        for (; c + group <= channels; c += group)
          maxOfNormalizedWindow(
              p, from + c, group, scale + c, shift + c, relu, y + c, chosen + c, tap + c);
        if (c < channels)
          maxOfNormalizedWindow(
              p, from + c, channels - c, scale + c, shift + c, relu, y + c, chosen + c, tap + c);
        y += channels;
        chosen += channels;
        tap += channels;
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
void convoy_normalized_max_pool_backward(
    const convoy_pool *p, const float *restrict x, const float *restrict dy,
    const uint8_t *restrict tap, const float *restrict mean, const float *restrict scale,
    const float *restrict shift, int relu, const float *restrict slope,
    const float *restrict constant, float *restrict dx) {
  const long channels = p->channels, window = p->window, width = p->width;
  for (long b = 0; b < p->batch; b++) {
    for (long i = 0; i < p->outHeight; i++) {
      const long row = (b * p->height + i * window) * width;
      for (long ty = 0; ty < window; ty++) {
        const float *restrict xr = x + (row + ty * width) * channels;
        float *restrict to = dx + (row + ty * width) * channels;
        const float *restrict g = dy;
        const uint8_t *restrict chosen = tap;
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
      tap += p->outWidth * channels;
    }
    const long row = (b * p->height + p->outHeight * window) * width;
    outsideWindows(
        (p->height - p->outHeight * window) * width, channels, x + row * channels, mean, slope,
        constant, dx + row * channels);
  }
}
