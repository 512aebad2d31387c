// Loops of a network's operators that are no contractions.
#include "Operators.h"

#include <math.h>
#include <string.h>

#include "PartialSums.h"
#include "VectorTargets.h"

// An output that begins where an input does changes nothing that is read later.
#define EACH _Pragma("clang loop vectorize(assume_safety)") for (long i = 0; i < count; i++)
#define INLINE static inline __attribute__((always_inline))

INLINE float with_bits(uint32_t bits) {
  float number;
  memcpy(&number, &bits, sizeof number);
  return number;
}

// eˣ within 2 ulp, without a branch: x = n·ln 2 + r with |r| ≤ ln 2/2, and eʳ by Taylor's series, whose first term
// left out is r⁸/8! ≤ 2⁻²⁷ of it. ln 2 is in two parts, so that r is exact enough (Cody and Waite, 1980), and 2ⁿ is
// in two factors, for its own exponent may be too small, or too large. NaN stays NaN.
INLINE float exp_f32(float x) {
  const float limited = x > 89 ? 89 : x < -105 ? -105 : x;
  // What is added leaves n in the lowest bits of the sum.
  const float shift = 0x1.8p23f, sum = limited * 0x1.715476p0f + shift;
  uint32_t bits;
  memcpy(&bits, &sum, sizeof bits);
  const float n = sum - shift;
  const float r = (limited - n * 0x1.62ep-1f) - n * 0x1.0bfbe8p-15f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r * r + r;
  const int32_t power = (int32_t)(bits - 0x4B400000u), half = power >> 1;
  const float low = with_bits((uint32_t)(half + 127) << 23);
  const float high = with_bits((uint32_t)(power - half + 127) << 23);
  return (p * low + low) * high;
}

INLINE double exp_f64(double x) { return exp(x); }

// (e²ˣ − 1)/(e²ˣ + 1) or, of small numbers, whose leading digits that would cancel, Lambert's continued fraction
// x/(1 + x²/(3 + x²/(5 + …))) down to x²/13.
INLINE float tanh_f32(float x) {
  const float s = x * x;
  const float small =
      x * (135135 + s * (17325 + s * (378 + s))) / (135135 + s * (62370 + s * (3150 + 28 * s)));
  const float large = 1 - 2 / (exp_f32(2 * __builtin_fabsf(x)) + 1);
  return s < 1 ? small : __builtin_copysignf(large, x);
}

INLINE double tanh_f64(double x) { return tanh(x); }

// Φ(x) and e^(−x²/2) of the normal distribution. erfc z = (a₁t + … + a₅t⁵)·e^(−z²) with t = 1/(1 + p·z), to 1.5·10⁻⁷
// (Abramowitz and Stegun 7.1.26, after Hastings).
INLINE float normal_f32(float x, float *bell) {
  *bell = exp_f32(-0.5f * x * x);
  const float t = 1 / (1 + 0.3275911f * 0x1.6a09e6p-1f * __builtin_fabsf(x));
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float tail = 0.5f * (p * t) * *bell;
  return x > 0 ? 1 - tail : tail;
}

INLINE double normal_f64(double x, double *bell) {
  *bell = exp(-0.5 * x * x);
  return 0.5 * erfc(-x * M_SQRT1_2);
}

// The words of 64 elements, whose first is a multiple of 4: Philox 4x32-10.
enum { maskBlocks = 16 };

INLINE void mask_words(const struct ConvoyMask *mask, uint64_t block, uint32_t *words) {
  uint32_t c0[maskBlocks], c1[maskBlocks], c2[maskBlocks], c3[maskBlocks];
  for (long b = 0; b < maskBlocks; b++) {
    c0[b] = (uint32_t)(block + (uint64_t)b), c1[b] = (uint32_t)((block + (uint64_t)b) >> 32);
    c2[b] = mask->step, c3[b] = mask->stream;
  }
  uint32_t k0 = mask->key[0], k1 = mask->key[1];
  for (long round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (long b = 0; b < maskBlocks; b++) {
      const uint64_t even = (uint64_t)0xD2511F53u * c0[b], odd = (uint64_t)0xCD9E8D57u * c2[b];
      c0[b] = (uint32_t)(odd >> 32) ^ c1[b] ^ k0, c1[b] = (uint32_t)odd;
      c2[b] = (uint32_t)(even >> 32) ^ c3[b] ^ k1, c3[b] = (uint32_t)even;
    }
  for (long b = 0; b < maskBlocks; b++) {
    words[4 * b] = c0[b], words[4 * b + 1] = c1[b];
    words[4 * b + 2] = c2[b], words[4 * b + 3] = c3[b];
  }
}

#define ELEMENT float
#define EACH_CALL EACH
#define NAMED(name) name##_f32
#include "Operators.inc"
#undef ELEMENT
#undef EACH_CALL
#undef NAMED

#define ELEMENT double
#define EACH_CALL for (long i = 0; i < count; i++)
#define NAMED(name) name##_f64
#include "Operators.inc"

CONVOY_VECTOR_TARGETS
void convoy_to_double(long count, const float *restrict x, double *restrict y) {
  for (long i = 0; i < count; i++) y[i] = (double)x[i];
}

CONVOY_VECTOR_TARGETS
void convoy_to_float(long count, const double *restrict x, float *restrict y) {
  for (long i = 0; i < count; i++) y[i] = (float)x[i];
}
