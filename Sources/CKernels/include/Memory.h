// The process's memory: how freed blocks are kept, and how much the machine has.
#pragma once

/// Tells the C library to keep large freed blocks instead of returning them to the system: a training
/// step frees and allocates the same sizes again and again, and every page that comes back from the
/// system costs a fault. Without effect where the C library has no such control.
void convoy_keep_freed_memory(void);

/// Bytes of memory of this machine; the largest number there is where the system does not tell.
long convoy_physical_memory(void);
