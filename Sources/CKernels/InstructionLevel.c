#include "InstructionLevel.h"

#include "LevelTargets.h"

enum ConvoyInstructionLevel convoy_widest_instructions(void) {
#if CONVOY_HAS_LEVELS
  if (__builtin_cpu_supports("x86-64-v4")) return convoy_avx512_instructions;
  if (__builtin_cpu_supports("x86-64-v3")) return convoy_avx2_instructions;
#endif
  return convoy_any_instructions;
}
