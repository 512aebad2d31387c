#include "InstructionLevel.h"

#include <stdlib.h>
#include <string.h>

#include "LevelTargets.h"

static enum ConvoyInstructionLevel widest(void) {
#if CONVOY_HAS_LEVELS
  if (__builtin_cpu_supports("x86-64-v4")) return convoy_avx512_instructions;
  if (__builtin_cpu_supports("x86-64-v3")) return convoy_avx2_instructions;
#endif
  return convoy_any_instructions;
}

static enum ConvoyInstructionLevel permitted(void) {
  const char *name = getenv("CONVOY_INSTRUCTIONS");
  if (name && strcmp(name, "avx2") == 0) return convoy_avx2_instructions;
  if (name && strcmp(name, "any") == 0) return convoy_any_instructions;
  return convoy_avx512_instructions;
}

enum ConvoyInstructionLevel convoy_instruction_level(void) {
  // Threads that get here at once find the same.
  static int known;
  int level = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (level == 0) {
    const enum ConvoyInstructionLevel most = permitted();
    level = widest();
    if (level > (int)most) level = most;
    __atomic_store_n(&known, level, __ATOMIC_RELAXED);
  }
  return level;
}
