// Minimal filtering (Winograd, Toom-Cook): a correlation of three taps as products of transforms.
#pragma once
#include "InstructionLevel.h"
#include "VectorTargets.h"

/// Which of the three tensors of a correlation y[i] = Σ_k x[i + k]·w[k] is transformed, and which way.
/// With α = outputs + 2 points, tiles of α data, `outputs` results and 3 taps hold
///
///     y = Aᵀ[(G w) ⊙ (B x)],   and so   w = Gᵀ[(B x) ⊙ (A y)]   for the adjoint.
enum ConvoyWinogradSide {
  /// α data to α points: B.
  convoy_winograd_data,
  /// Results to α points: A.
  convoy_winograd_results,
  /// 3 taps to α points: G.
  convoy_winograd_taps,
  /// α points to results: Aᵀ.
  convoy_winograd_to_results,
  /// α points to 3 taps: Gᵀ.
  convoy_winograd_to_taps,
};

/// Tiles to transform, each of rows × columns vectors of CONVOY_LANES elements.
///
/// Along rows and along columns a tile has as many results as given: 4 (points 0, ±1/√2, ±√2, ∞),
/// 2 (points 0, ±1, ∞) or 1, which leaves the dimension as it is. One of 4 × 4, 2 × 2, 4 × 1 and 1 × 4.
/// (Winograd 1980; Lavin and Gray 2015, arXiv 1509.09308. Points that are each other's inverses keep the
/// transforms' entries small, and with them the rounding: Barabasz et al. 2018, arXiv 1803.10986.)
struct ConvoyWinograd {
  /// Which version of the kernel runs.
  enum ConvoyInstructionLevel level;
  enum ConvoyWinogradSide side;
  long row_results, column_results;
  /// Steps in elements within a tile.
  long from_row, from_column, to_row, to_column;
  /// Two loops over tiles.
  long count[2], from_step[2], to_step[2];
};

/// `from` and `to` do not overlap.
void convoy_winograd_f32(const struct ConvoyWinograd *shape, const float *from, float *to);
void convoy_winograd_f64(const struct ConvoyWinograd *shape, const double *from, double *to);
