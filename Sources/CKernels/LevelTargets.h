// What a function that is compiled by hand for several instruction sets is declared with.
#pragma once
#include "InstructionLevel.h"

#if defined(__x86_64__) && defined(__linux__)
#define CONVOY_HAS_LEVELS 1
// Without a minimum clang would cut vectors of 64 bytes in two.
#define CONVOY_LEVEL_4 __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define CONVOY_LEVEL_3 __attribute__((target("arch=x86-64-v3")))
#endif

// A loop whose trip count is known when it is compiled, without the loop.
#define UNROLLED _Pragma("clang loop unroll(full)") for

// Hides from the compiler where a pointer comes from: of several that advance together it would count all from the
// start of their loop, with an addition for each address in every step.
#define OPAQUE(pointer) __asm__("" : "+r"(pointer))
