// Loops of normalisation, pooling and optimizers, at the speed of memory.
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

// What a normalisation is, per channel, by its sums over count elements: with i = 1/√(σ² + ε),
// inverse = i, mean = μ, scale = γ·i and shift = β − μ·γ·i. gamma and beta may be NULL: 1 and 0.
void convoy_channel_affine(
    long channels, double count, double epsilon, const double *restrict sum,
    const double *restrict squares, const float *restrict gamma, const float *restrict beta,
    double *restrict inverse, float *restrict mean, float *restrict scale, float *restrict shift);

// What the gradient of every element has besides that of its own output: slope·(x − mean) + constant, by
// sum = Σ g and products = Σ g·x̂ over count elements: slope = −scale·i·products/count and
// constant = −scale·sum/count.
void convoy_gradient_line(
    long channels, double count, const float *restrict scale, const double *restrict inverse,
    const double *restrict sum, const double *restrict products, float *restrict slope,
    float *restrict constant);

// y = scale[c]·x + shift[c], and max(0, y) if relu. NaN stays NaN. y may be x: in place.
void convoy_scale_shift(
    long rows, long channels, const float *x, const float *restrict scale,
    const float *restrict shift, int relu, float *y);

// y = max(0, scale[c]·x + shift[c] + z), where z is other, or otherScale[c]·other + otherShift[c] unless those
// are NULL. NaN stays NaN. y may be x or other: in place.
void convoy_scale_shift_add(
    long rows, long channels, const float *x, const float *restrict scale,
    const float *restrict shift, const float *other, const float *restrict otherScale,
    const float *restrict otherShift, float *y);

// Per channel: sum[c] = Σ_rows g and products[c] = Σ_rows g·(x − mean[c]), both overwritten, where
// g is dy, or 0 where relu and scale[c]·x + shift[c] ≤ 0. scratch as above.
void convoy_normalization_sums(
    long rows, long channels, const float *restrict x, const float *restrict dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift, int relu,
    double *restrict sum, double *restrict products, float *restrict scratch);

// The same where the ReLU's output y is at hand: g is dy, or 0 where y ≤ 0.
void convoy_gated_normalization_sums(
    long rows, long channels, const float *restrict x, const float *restrict y,
    const float *restrict dy, const float *restrict mean, double *restrict sum,
    double *restrict products, float *restrict scratch);

// dx = scale[c]·g + slope[c]·(x − mean[c]) + constant[c] with g as in convoy_normalization_sums. dx may be
// dy: in place.
void convoy_normalization_backward(
    long rows, long channels, const float *restrict x, const float *dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift, int relu,
    const float *restrict slope, const float *restrict constant, float *dx);

// The same with g as in convoy_gated_normalization_sums.
void convoy_gated_normalization_backward(
    long rows, long channels, const float *restrict x, const float *restrict y, const float *dy,
    const float *restrict mean, const float *restrict scale, const float *restrict slope,
    const float *restrict constant, float *dx);

// ---- Pooling (Layers+Pooling.c) ----

// Extents of a pool without padding: x is (batch, height, width, channels), y is (batch, outHeight,
// outWidth, channels), outHeight = (height − window) / stride + 1, and the same for the width.
typedef struct {
  long batch, height, width, channels, window, stride, outHeight, outWidth;
} convoy_pool;

// y = max over the window's taps; tap (like y) gets the number of the first tap, row by row, that
// has the maximum, unless it is NULL. NaN wins. window · window ≤ 256.
void convoy_max_pool(
    const convoy_pool *pool, const float *restrict x, float *restrict y, uint8_t *restrict tap);

// dx = dy at the first tap of each window that has its maximum, summed where windows overlap, 0 elsewhere.
void convoy_max_pool_adjoint(
    const convoy_pool *pool, const float *restrict x, const float *restrict dy,
    float *restrict dx);

// y[c] = max over the taps of x[offset + c], −∞ of none: one window of any pool. NaN wins.
void convoy_max_of_taps(
    long taps, const long *restrict offsets, long channels, const float *restrict x,
    float *restrict y);

// dx[offset + c] += dy[c] at the first of the taps that has the maximum y[c].
void convoy_max_of_taps_adjoint(
    long taps, const long *restrict offsets, long channels, const float *restrict x,
    const float *restrict y, const float *restrict dy, float *restrict dx);

// y = mean over the window.
void convoy_average_pool(const convoy_pool *pool, const float *restrict x, float *restrict y);

// dx = Σ dy / window² over the windows that a position is in.
void convoy_average_pool_backward(
    const convoy_pool *pool, const float *restrict dy, float *restrict dx);

// ---- Normalisation and maximum in one (Layers+NormalizedPooling.c) ----
//
// Of windows that do not overlap (stride = window). Pixels outside every window only take part in the
// normalisation.

// y = max over the window's taps of scale[c]·x + shift[c], and at least 0 if relu; chosen and tap (like
// y) get the x and the number of the first tap that has it, unless both are NULL. NaN wins, and stays NaN.
void convoy_normalized_max_pool(
    const convoy_pool *pool, const float *restrict x, const float *restrict scale,
    const float *restrict shift, int relu, float *restrict y, float *restrict chosen,
    uint8_t *restrict tap);

// Per channel, over the windows first ..< first + count, counted through the batch, of which dy has the gradients:
// what convoy_normalization_sums gives for the x that the windows chose. scratch, in floats:
// convoy_normalized_pool_scratch(channels).
void convoy_normalized_max_pool_sums(
    const convoy_pool *pool, long first, long count, const float *restrict x,
    const float *restrict dy, const float *restrict mean, const float *restrict scale,
    const float *restrict shift, int relu, double *restrict sum, double *restrict products,
    float *restrict scratch);

static inline long convoy_normalized_pool_scratch(long channels) {
  return convoy_channel_scratch(channels) + 64 * channels;
}

// dx = scale[c]·g + slope[c]·(x − mean[c]) + constant[c], where g is dy at the taps that win if not relu or
// scale[c]·x + shift[c] > 0, and 0 elsewhere. scratch: outWidth · channels.
void convoy_normalized_max_pool_adjoint(
    const convoy_pool *pool, const float *restrict x, const float *restrict dy,
    const float *restrict mean, const float *restrict scale, const float *restrict shift, int relu,
    const float *restrict slope, const float *restrict constant, float *restrict dx,
    uint8_t *restrict scratch);

// ---- Updates (Layers+Updates.c) ----

// One step of stochastic gradient descent, in place, as torch.optim.SGD:
//   g = gradient + decay·weight; velocity = momentum·velocity + g;
//   weight −= rate · (nesterov ? g + momentum·velocity : velocity)
void convoy_sgd(
    long count, float rate, float momentum, float decay, int nesterov,
    const float *restrict gradient, float *restrict velocity, float *restrict weight);
void convoy_sgd_f64(
    long count, double rate, double momentum, double decay, int nesterov,
    const double *restrict gradient, double *restrict velocity, double *restrict weight);

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
void convoy_adam_f64(
    long count, double rate, double beta1, double complement1, double beta2, double complement2,
    double root, double epsilon, double decay, const double *restrict gradient,
    double *restrict mean, double *restrict variance, double *restrict weight);
