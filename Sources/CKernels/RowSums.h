// Sums over the rows of a matrix.
#pragma once
#include "PartialSums.h"

enum { rowSumsWidth = 64 };

// total[c] = Σ_r x[r, c] of up to rowSumsWidth columns, in runs (see PartialSums.h) that are added up in double.
static inline __attribute__((always_inline)) void rowSums(
    long rows, long step, long columns, const float *restrict x, double *restrict total) {
  for (long c = 0; c < columns; c++) total[c] = 0;
  for (long start = 0; start < rows; start += CONVOY_RUN) {
    const long end = rows - start < CONVOY_RUN ? rows : start + CONVOY_RUN;
    float run[rowSumsWidth] = {0};
    for (long r = start; r < end; r++)
      for (long c = 0; c < columns; c++) run[c] += x[r * step + c];
    for (long c = 0; c < columns; c++) total[c] += run[c];
  }
}
