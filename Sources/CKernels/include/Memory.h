// Keeping freed memory for the next allocation.
#pragma once

/// Tells the C library to keep large freed blocks instead of returning them to the system: a training
/// step frees and allocates the same sizes again and again, and every page that comes back from the
/// system costs a fault. Without effect where the C library has no such control.
void convoy_keep_freed_memory(void);
