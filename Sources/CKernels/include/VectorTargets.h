// Which instruction sets a hot loop is compiled for.
#pragma once

// A sanitizer looks at the functions that choose a version too, which the loader calls before it is ready.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CONVOY_IS_SANITIZED 1
#endif
#endif

#if defined(__x86_64__) && defined(__linux__) && !defined(CONVOY_IS_SANITIZED)
// The loader picks the widest version the machine has; no unsafe compiler flags are needed.
#define CONVOY_VECTOR_TARGETS \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CONVOY_VECTOR_TARGETS
#endif
