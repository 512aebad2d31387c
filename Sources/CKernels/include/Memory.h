// The process's memory: how freed blocks are kept, and how much there is.
#pragma once

/// Tells the C library to keep large freed blocks instead of returning them to the system: a training
/// step frees and allocates the same sizes again and again, and every page that comes back from the
/// system costs a fault. Without effect where the C library has no such control.
void convoy_keep_freed_memory(void);

/// Bytes of memory this process may use: the machine's, or less where its control group (a container,
/// a batch job) says so; the largest number there is where the system does not tell.
long convoy_memory_limit(void);
