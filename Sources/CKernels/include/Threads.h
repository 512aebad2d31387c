// Threads of this process that share the work of one loop.
#pragma once

/// Called once for every index, on any thread.
typedef void (*convoy_thread_body)(long index, void *context);

/// Lets loops run on so many threads, the caller's included; those that are missing are started, and
/// those that are too many sleep. Returns how many there are: fewer where the system gives no more.
/// Loops that run go on as they are.
long convoy_threads_use(long count);

/// What was asked for last and given; 1 at first.
long convoy_threads_count(void);

/// Calls body(index, context) for 0 ≤ index < count, and returns when all calls have. Indices are taken
/// one by one by the threads as they are free. A loop within a call of such a loop is begun by its caller,
/// and helped with by threads that find no call of the outer loop left; loops within its calls, and those
/// of another caller meanwhile, run on their callers.
void convoy_threads_run(long count, convoy_thread_body body, void *context);

/// Cores that this process may use, by its affinity; at least 1.
long convoy_cores(void);

/// Cores that the process may use that started this one; those of this one where that cannot be told.
long convoy_launcher_cores(void);
