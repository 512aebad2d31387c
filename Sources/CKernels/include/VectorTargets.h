// Which instruction sets a hot loop is compiled for.
#pragma once

#if defined(__x86_64__) && defined(__linux__)
// The loader picks the widest version the machine has; no unsafe compiler flags are needed.
#define CONVOY_VECTOR_TARGETS \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CONVOY_VECTOR_TARGETS
#endif
