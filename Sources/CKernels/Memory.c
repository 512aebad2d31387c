#include "Memory.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#if defined(__GLIBC__) || defined(__linux__)
#include <malloc.h>
#endif

void convoy_keep_freed_memory(void) {
#if defined(M_MMAP_THRESHOLD) && defined(M_TRIM_THRESHOLD)
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2147483647);
#endif
}

long convoy_memory_limit(void) {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  long limit = pages > 0 && page > 0 ? pages * page : LONG_MAX;
  // Control groups, versions 2 and 1, as a container sees its own.
  const char *const files[] = {
      "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
  for (int i = 0; i < 2; i++) {
    FILE *const file = fopen(files[i], "r");
    if (!file) continue;
    long group = 0;
    // "max", for no limit, is no number.
    if (fscanf(file, "%ld", &group) == 1 && group > 0 && group < limit) limit = group;
    fclose(file);
  }
  return limit;
}
