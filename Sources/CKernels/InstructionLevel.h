// Which version of a kernel that is compiled by hand for several instruction sets this machine runs.
#pragma once

#if defined(__x86_64__) && defined(__linux__)
#define CONVOY_HAS_LEVELS 1
// Without a minimum clang would cut vectors of 64 bytes in two.
#define CONVOY_LEVEL_4 __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define CONVOY_LEVEL_3 __attribute__((target("arch=x86-64-v3")))

/// 4: AVX-512; 3: AVX2; 1: any.
static inline int convoy_instruction_level(void) {
  static int known;
  if (!known)
    known = __builtin_cpu_supports("x86-64-v4") ? 4 : __builtin_cpu_supports("x86-64-v3") ? 3 : 1;
  return known;
}
#endif
