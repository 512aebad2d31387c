// Sums of gradients and the optimizers' updates.
#include "Layers.h"
#include "RowSums.h"
#include "VectorTargets.h"

CONVOY_VECTOR_TARGETS
void convoy_accumulate(long count, const float *restrict x, float *restrict sum) {
  for (long i = 0; i < count; i++) sum[i] += x[i];
}

CONVOY_VECTOR_TARGETS
void convoy_add_bias(long rows, long channels, const float *restrict bias, float *restrict y) {
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < channels; c++) y[r * channels + c] += bias[c];
}

CONVOY_VECTOR_TARGETS
void convoy_accumulate_rows(
    long rows, long channels, const float *restrict x, float *restrict sum) {
  double total[rowSumsWidth];
  for (long first = 0; first < channels; first += rowSumsWidth) {
    const long columns = channels - first < rowSumsWidth ? channels - first : rowSumsWidth;
    rowSums(rows, channels, columns, x + first, total);
    for (long c = 0; c < columns; c++) sum[first + c] += (float)total[c];
  }
}

CONVOY_VECTOR_TARGETS
void convoy_sgd(
    long count, float rate, float momentum, float decay, int nesterov,
    const float *restrict gradient, float *restrict velocity, float *restrict weight) {
  for (long i = 0; i < count; i++) {
    const float g = gradient[i] + decay * weight[i];
    const float v = momentum * velocity[i] + g;
    velocity[i] = v;
    weight[i] -= rate * (nesterov ? g + momentum * v : v);
  }
}

CONVOY_VECTOR_TARGETS
void convoy_adam(
    long count, float rate, float beta1, float complement1, float beta2, float complement2,
    float root, float epsilon, float decay, const float *restrict gradient, float *restrict mean,
    float *restrict variance, float *restrict weight) {
  for (long i = 0; i < count; i++) {
    const float g = gradient[i] + decay * weight[i];
    mean[i] = beta1 * mean[i] + complement1 * g;
    variance[i] = beta2 * variance[i] + complement2 * (g * g);
    weight[i] -= rate * mean[i] / (__builtin_elementwise_sqrt(variance[i]) / root + epsilon);
  }
}
