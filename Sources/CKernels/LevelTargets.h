// What a function that is compiled by hand for several instruction sets is declared with.
#pragma once
#include "InstructionLevel.h"

#if defined(__x86_64__) && defined(__linux__)
#define CONVOY_HAS_LEVELS 1
// Without a minimum clang would cut vectors of 64 bytes in two.
#define CONVOY_LEVEL_4 __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define CONVOY_LEVEL_3 __attribute__((target("arch=x86-64-v3")))
#endif
