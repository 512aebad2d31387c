// ReLU and 2-D pools, channels last: every inner loop runs over the channels of one pixel.
#include <string.h>

#include "Layers.h"
#include "RowSums.h"
#include "VectorTargets.h"

CONVOY_VECTOR_TARGETS
void convoy_relu(long count, const float *restrict x, float *restrict y) {
  for (long i = 0; i < count; i++) y[i] = x[i] < 0 ? 0 : x[i];
}

CONVOY_VECTOR_TARGETS
void convoy_relu_backward(
    long count, const float *restrict y, const float *restrict dy, float *restrict dx) {
  for (long i = 0; i < count; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

// Offset in x of the first pixel of the window of output pixel (b, i, j).
static inline __attribute__((always_inline))
long windowStart(const convoy_pool *p, long b, long i, long j) {
  return ((b * p->height + i * p->stride) * p->width + j * p->stride) * p->channels;
}

// Offset of tap (ty, tx) from the window's first pixel.
static inline __attribute__((always_inline))
long tapOffset(const convoy_pool *p, long tap) {
  return ((tap / p->window) * p->width + tap % p->window) * p->channels;
}

// Channels compared together: maxima and taps of one width, which vectorise, stay in registers.
enum { group = 32 };

static inline __attribute__((always_inline))
void maxOfWindow(
    const convoy_pool *p, const float *restrict x, long channels, float *restrict y,
    uint8_t *restrict tap) {
  float best[group];
  int chosen[group] = {0};
  const int taps = (int)(p->window * p->window);
  for (long c = 0; c < channels; c++) best[c] = x[c];
  for (int t = 1; t < taps; t++) {
    const float *restrict candidate = x + tapOffset(p, t);
    for (long c = 0; c < channels; c++) {
      const float v = candidate[c];
      // The first NaN wins, as in PyTorch: v does so against a number, nothing does against it.
      const int better = (v > best[c]) | ((v != v) & (best[c] == best[c]));
      best[c] = better ? v : best[c];
      chosen[c] = better ? t : chosen[c];
    }
  }
  for (long c = 0; c < channels; c++) y[c] = best[c];
  for (long c = 0; c < channels; c++) tap[c] = (uint8_t)chosen[c];
}

CONVOY_VECTOR_TARGETS
void convoy_max_pool(
    const convoy_pool *p, const float *restrict x, float *restrict y, uint8_t *restrict tap) {
  for (long b = 0; b < p->batch; b++)
    for (long i = 0; i < p->outHeight; i++)
      for (long j = 0; j < p->outWidth; j++, y += p->channels, tap += p->channels) {
        const float *restrict from = x + windowStart(p, b, i, j);
        long c = 0;
        for (; c + group <= p->channels; c += group)
          maxOfWindow(p, from + c, group, y + c, tap + c);
        if (c < p->channels) maxOfWindow(p, from + c, p->channels - c, y + c, tap + c);
      }
}

// Whether the windows cover every pixel exactly once, so that nothing has to be cleared.
static inline __attribute__((always_inline))
int tilesExactly(const convoy_pool *p) {
  return p->stride == p->window && p->outHeight * p->window == p->height
         && p->outWidth * p->window == p->width;
}

static inline __attribute__((always_inline))
void clear(const convoy_pool *p, float *dx) {
  memset(dx, 0, sizeof(float) * (size_t)(p->batch * p->height * p->width * p->channels));
}

CONVOY_VECTOR_TARGETS
void convoy_max_pool_backward(
    const convoy_pool *p, const float *restrict dy, const uint8_t *restrict tap,
    float *restrict dx) {
  const long channels = p->channels, taps = p->window * p->window;
  const int tiles = tilesExactly(p);
  if (!tiles) clear(p, dx);
  for (long b = 0; b < p->batch; b++)
    for (long i = 0; i < p->outHeight; i++)
      for (long j = 0; j < p->outWidth; j++, dy += channels, tap += channels)
        for (long t = 0; t < taps; t++) {
          float *restrict to = dx + windowStart(p, b, i, j) + tapOffset(p, t);
          if (tiles)
            for (long c = 0; c < channels; c++) to[c] = tap[c] == t ? dy[c] : 0;
          else
            for (long c = 0; c < channels; c++) to[c] += tap[c] == t ? dy[c] : 0;
        }
}

CONVOY_VECTOR_TARGETS
void convoy_average_pool(const convoy_pool *p, const float *restrict x, float *restrict y) {
  const long channels = p->channels, taps = p->window * p->window;
  const float weight = 1.0f / (float)taps;
  for (long b = 0; b < p->batch; b++)
    for (long i = 0; i < p->outHeight; i++)
      for (long j = 0; j < p->outWidth; j++, y += channels) {
        const float *restrict first = x + windowStart(p, b, i, j);
        for (long c = 0; c < channels; c++) y[c] = first[c];
        for (long t = 1; t < taps; t++) {
          const float *restrict from = first + tapOffset(p, t);
          for (long c = 0; c < channels; c++) y[c] += from[c];
        }
        for (long c = 0; c < channels; c++) y[c] *= weight;
      }
}

CONVOY_VECTOR_TARGETS
void convoy_average_pool_backward(
    const convoy_pool *p, const float *restrict dy, float *restrict dx) {
  const long channels = p->channels, taps = p->window * p->window;
  const float weight = 1.0f / (float)taps;
  clear(p, dx);
  for (long b = 0; b < p->batch; b++)
    for (long i = 0; i < p->outHeight; i++)
      for (long j = 0; j < p->outWidth; j++, dy += channels)
        for (long t = 0; t < taps; t++) {
          float *restrict to = dx + windowStart(p, b, i, j) + tapOffset(p, t);
          for (long c = 0; c < channels; c++) to[c] += weight * dy[c];
        }
}

CONVOY_VECTOR_TARGETS
void convoy_global_average(
    long batch, long pixels, long channels, const float *restrict x, float *restrict y) {
  double total[rowSumsWidth];
  for (long b = 0; b < batch; b++, y += channels, x += pixels * channels)
    for (long first = 0; first < channels; first += rowSumsWidth) {
      const long columns = channels - first < rowSumsWidth ? channels - first : rowSumsWidth;
      rowSums(pixels, channels, columns, x + first, total);
      for (long c = 0; c < columns; c++) y[first + c] = (float)(total[c] / (double)pixels);
    }
}

CONVOY_VECTOR_TARGETS
void convoy_global_average_backward(
    long batch, long pixels, long channels, const float *restrict dy, float *restrict dx) {
  const float weight = 1.0f / (float)pixels;
  for (long b = 0; b < batch; b++, dy += channels)
    for (long p = 0; p < pixels; p++, dx += channels)
      for (long c = 0; c < channels; c++) dx[c] = weight * dy[c];
}
