// How long sums are added up.
#pragma once
#include "VectorTargets.h"

/// The error of one running sum grows with its length: 2²⁵ equal numbers in `float`, added one by one, may come out as
/// half of their sum. So sums of more than CONVOY_PLAIN_TERMS terms are made of runs: of as many terms, or of CONVOY_RUN
/// where sums are long. Runs are put aside and added up CONVOY_RUNS_ASIDE at a time, before they are added to what the
/// destination holds. Where that happens more than a few times, what each addition rounds off is added up too, and added
/// at the end. A relative error of (CONVOY_RUN / 3 + CONVOY_RUNS_ASIDE / 3 + 1)·2⁻²⁴ is the most that equal terms can
/// have then, whatever their number.
///
/// (Runs: Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 4.2; what additions round off: Ogita, Rump
/// and Oishi, Accurate sum and dot product, 2005.)
#define CONVOY_PLAIN_TERMS 512
#define CONVOY_RUN 32
#define CONVOY_RUNS_ASIDE 12

/// c[i] += low[i], but for what is not finite: it stands for nothing that was lost.
void convoy_settle_f32(long count, float *c, const float *low);
void convoy_settle_f64(long count, double *c, const double *low);
