// Loops of the layers and optimizers of Training, at the speed of memory.
//
// Contract of every function: single-threaded; no pointer overlaps another unless it says "in
// place"; no function allocates. Images are channels last: x is (rows, channels) with
// rows = batch · height · width, or (batch, height, width, channels) for the pools. Sums are taken
// in an order that depends on the extents only, so equal inputs give equal bits.
#pragma once
#include <stdint.h>

// ---- Normalisation (Layers+Normalization.c) ----

// The work space, in floats, that the two reductions below need.
static inline long convoy_channel_scratch(long channels) { return 2 * channels; }

// Per channel: sum[c] = Σ_rows x and squares[c] = Σ_rows x², both (channels), overwritten.
// Deviations from the mean of each block of rows are summed in float and added up in double, so
// that squares/rows − (sum/rows)² keeps float's accuracy even where mean² is much more than the
// variance. scratch: convoy_channel_scratch(channels).
void convoy_channel_moments(
    long rows, long channels, const float *restrict x, double *restrict sum,
    double *restrict squares, float *restrict scratch);

// y = scale[c]·x + shift[c], and max(0, y) if relu. NaN stays NaN.
void convoy_scale_shift(
    long rows, long channels, const float *restrict x, const float *restrict scale,
    const float *restrict shift, int relu, float *restrict y);

// Per channel: sum[c] = Σ_rows g and products[c] = Σ_rows g·(x − mean[c]), both overwritten, where
// g is dy, or 0 where relu and scale[c]·x + shift[c] ≤ 0. scratch as above.
void convoy_normalization_sums(
    long rows, long channels, const float *restrict x, const float *restrict dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift, int relu,
    double *restrict sum, double *restrict products, float *restrict scratch);

// dx = scale[c]·g + slope[c]·(x − mean[c]) + constant[c] with g as above.
void convoy_normalization_backward(
    long rows, long channels, const float *restrict x, const float *restrict dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift, int relu,
    const float *restrict slope, const float *restrict constant, float *restrict dx);

// ---- Activation and pooling (Layers+Pooling.c) ----

// y = max(0, x); NaN stays NaN.
void convoy_relu(long count, const float *restrict x, float *restrict y);

// dx = dy where y > 0, else 0.
void convoy_relu_backward(
    long count, const float *restrict y, const float *restrict dy, float *restrict dx);

// Extents of a pool without padding: x is (batch, height, width, channels), y is (batch, outHeight,
// outWidth, channels), outHeight = (height − window) / stride + 1, and the same for the width.
typedef struct {
  long batch, height, width, channels, window, stride, outHeight, outWidth;
} convoy_pool;

// y = max over the window's taps; tap (like y) gets the number of the first tap, row by row, that
// has the maximum. NaN wins. window · window ≤ 256.
void convoy_max_pool(
    const convoy_pool *pool, const float *restrict x, float *restrict y, uint8_t *restrict tap);

// dx = dy at the taps that were chosen, summed where windows overlap, 0 elsewhere.
void convoy_max_pool_backward(
    const convoy_pool *pool, const float *restrict dy, const uint8_t *restrict tap,
    float *restrict dx);

// y = mean over the window.
void convoy_average_pool(const convoy_pool *pool, const float *restrict x, float *restrict y);

// dx = Σ dy / window² over the windows that a position is in.
void convoy_average_pool_backward(
    const convoy_pool *pool, const float *restrict dy, float *restrict dx);

// y[b, c] = mean over the pixels of x (batch, pixels, channels).
void convoy_global_average(
    long batch, long pixels, long channels, const float *restrict x, float *restrict y);

// dx[b, p, c] = dy[b, c] / pixels.
void convoy_global_average_backward(
    long batch, long pixels, long channels, const float *restrict dy, float *restrict dx);

// ---- Normalisation and maximum in one (Layers+NormalizedPooling.c) ----
//
// Of windows that do not overlap (stride = window). Pixels outside every window only take part in the
// normalisation.

// y = max over the window's taps of scale[c]·x + shift[c], and at least 0 if relu; chosen and tap (like
// y) get the x and the number of the first tap that has it. NaN wins, and stays NaN.
void convoy_normalized_max_pool(
    const convoy_pool *pool, const float *restrict x, const float *restrict scale,
    const float *restrict shift, int relu, float *restrict y, float *restrict chosen,
    uint8_t *restrict tap);

// dx = scale[c]·g + slope[c]·(x − mean[c]) + constant[c], where g is dy at the taps that were chosen if
// not relu or scale[c]·x + shift[c] > 0, and 0 elsewhere.
void convoy_normalized_max_pool_backward(
    const convoy_pool *pool, const float *restrict x, const float *restrict dy,
    const uint8_t *restrict tap, const float *restrict mean, const float *restrict scale,
    const float *restrict shift, int relu, const float *restrict slope,
    const float *restrict constant, float *restrict dx);

// ---- Updates (Layers+Updates.c) ----

// sum += x, in place.
void convoy_accumulate(long count, const float *restrict x, float *restrict sum);

// y (rows, channels) += bias[c], in place.
void convoy_add_bias(long rows, long channels, const float *restrict bias, float *restrict y);

// sum[c] += Σ_rows x, in place.
void convoy_accumulate_rows(long rows, long channels, const float *restrict x, float *restrict sum);

// One step of stochastic gradient descent, in place, as torch.optim.SGD:
//   g = gradient + decay·weight; velocity = momentum·velocity + g;
//   weight −= rate · (nesterov ? g + momentum·velocity : velocity)
void convoy_sgd(
    long count, float rate, float momentum, float decay, int nesterov,
    const float *restrict gradient, float *restrict velocity, float *restrict weight);

// One step of Adam, in place, as torch.optim.Adam:
//   g = gradient + decay·weight
//   mean = beta1·mean + complement1·g;  variance = beta2·variance + complement2·g²
//   weight −= rate · mean / (sqrt(variance)/root + epsilon)
// where the caller has divided rate by 1 − β1^t, root is sqrt(1 − β2^t), and complement1 = 1 − β1,
// complement2 = 1 − β2: taken of the rounded betas they would lose four digits.
void convoy_adam(
    long count, float rate, float beta1, float complement1, float beta2, float complement2,
    float root, float epsilon, float decay, const float *restrict gradient, float *restrict mean,
    float *restrict variance, float *restrict weight);
