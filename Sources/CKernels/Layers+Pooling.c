// 2-D pools, channels last: every inner loop runs over the channels of one pixel.
#include <string.h>

#include "Layers.h"
#include "VectorTargets.h"

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

// Channels compared together: maxima and taps of one width, which vectorise, stay in registers. Of few channels
// half a group is.
enum { group = 32, halfGroup = 16 };

static inline __attribute__((always_inline))
void maxOfWindow(
    const convoy_pool *p, const float *restrict x, long channels, float *restrict best,
    int *restrict chosen) {
  const int taps = (int)(p->window * p->window);
  for (long c = 0; c < channels; c++) best[c] = x[c];
  for (long c = 0; c < channels; c++) chosen[c] = 0;
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
}

static inline __attribute__((always_inline))
void poolWindow(
    const convoy_pool *p, const float *restrict x, long channels, float *restrict y,
    uint8_t *restrict tap, const int keepsTaps) {
  float best[group];
  int chosen[group];
  maxOfWindow(p, x, channels, best, chosen);
  for (long c = 0; c < channels; c++) y[c] = best[c];
  if (keepsTaps)
    for (long c = 0; c < channels; c++) tap[c] = (uint8_t)chosen[c];
}

static inline __attribute__((always_inline))
void maxPool(
    const convoy_pool *p, const float *restrict x, float *restrict y, uint8_t *restrict tap,
    const int keepsTaps) {
  for (long b = 0; b < p->batch; b++)
    for (long i = 0; i < p->outHeight; i++)
      for (long j = 0; j < p->outWidth; j++, y += p->channels) {
        const float *restrict from = x + windowStart(p, b, i, j);
        long c = 0;
        for (; c + group <= p->channels; c += group)
          poolWindow(p, from + c, group, y + c, keepsTaps ? tap + c : tap, keepsTaps);
        for (; c + halfGroup <= p->channels; c += halfGroup)
          poolWindow(p, from + c, halfGroup, y + c, keepsTaps ? tap + c : tap, keepsTaps);
        if (c < p->channels)
          poolWindow(p, from + c, p->channels - c, y + c, keepsTaps ? tap + c : tap, keepsTaps);
        if (keepsTaps) tap += p->channels;
      }
}

CONVOY_VECTOR_TARGETS
void convoy_max_pool(
    const convoy_pool *p, const float *restrict x, float *restrict y, uint8_t *restrict tap) {
  if (tap) maxPool(p, x, y, tap, 1);
  else maxPool(p, x, y, tap, 0);
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

// dx (+)= dy at the taps of one window that have its maxima.
static inline __attribute__((always_inline))
void spreadMaxima(
    const convoy_pool *p, const float *restrict x, long channels, const float *restrict dy,
    const int tiles, float *restrict dx) {
  float best[group];
  int chosen[group];
  maxOfWindow(p, x, channels, best, chosen);
  const int taps = (int)(p->window * p->window);
  for (int t = 0; t < taps; t++) {
    float *restrict to = dx + tapOffset(p, t);
    if (tiles)
      for (long c = 0; c < channels; c++) to[c] = chosen[c] == t ? dy[c] : 0;
    else
      for (long c = 0; c < channels; c++) to[c] += chosen[c] == t ? dy[c] : 0;
  }
}

CONVOY_VECTOR_TARGETS
void convoy_max_pool_adjoint(
    const convoy_pool *p, const float *restrict x, const float *restrict dy, float *restrict dx) {
  const long channels = p->channels;
  const int tiles = tilesExactly(p);
  if (!tiles) clear(p, dx);
  for (long b = 0; b < p->batch; b++)
    for (long i = 0; i < p->outHeight; i++)
      for (long j = 0; j < p->outWidth; j++, dy += channels) {
        const long start = windowStart(p, b, i, j);
        long c = 0;
        for (; c + group <= channels; c += group)
          spreadMaxima(p, x + start + c, group, dy + c, tiles, dx + start + c);
        if (c < channels)
          spreadMaxima(p, x + start + c, channels - c, dy + c, tiles, dx + start + c);
      }
}

CONVOY_VECTOR_TARGETS
void convoy_max_of_taps(
    long taps, const long *restrict offsets, long channels, const float *restrict x,
    float *restrict y) {
  for (long c = 0; c < channels; c++) y[c] = -__builtin_inff();
  for (long t = 0; t < taps; t++) {
    const float *restrict candidate = x + offsets[t];
    for (long c = 0; c < channels; c++) {
      const float v = candidate[c];
      y[c] = (v > y[c]) | ((v != v) & (y[c] == y[c])) ? v : y[c];
    }
  }
}

// dx += dy at the first of the taps that has the maximum.
static inline __attribute__((always_inline))
void spreadMaximaOfTaps(
    long taps, const long *restrict offsets, long channels, const float *restrict x,
    const float *restrict y, const float *restrict dy, float *restrict dx) {
  int isOpen[group];
  for (long c = 0; c < channels; c++) isOpen[c] = 1;
  for (long t = 0; t < taps; t++) {
    const float *restrict candidate = x + offsets[t];
    float *restrict to = dx + offsets[t];
    for (long c = 0; c < channels; c++) {
      const float v = candidate[c];
      const int wins = isOpen[c] & ((v == y[c]) | ((v != v) & (y[c] != y[c])));
      to[c] += wins ? dy[c] : 0;
      isOpen[c] &= !wins;
    }
  }
}

CONVOY_VECTOR_TARGETS
void convoy_max_of_taps_adjoint(
    long taps, const long *restrict offsets, long channels, const float *restrict x,
    const float *restrict y, const float *restrict dy, float *restrict dx) {
  long c = 0;
  for (; c + group <= channels; c += group)
    spreadMaximaOfTaps(taps, offsets, group, x + c, y + c, dy + c, dx + c);
  if (c < channels)
    spreadMaximaOfTaps(taps, offsets, channels - c, x + c, y + c, dy + c, dx + c);
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
