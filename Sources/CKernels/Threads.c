#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "Threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

// A worker that has nothing to do looks for the next loop for this long, then sleeps: loops follow each
// other within a few microseconds, and waking a thread takes longer than most of them. A rank that
// waits for others must leave its cores to them.
enum { spinNanoseconds = 50000, mostThreads = 1024, cacheLine = 64 };

// A loop that threads share. Its owner writes what it is while nobody is inside, then opens it. Who wants
// to help first enters, then looks whether the loop is open; the owner first sees it closed, then waits
// until nobody is inside. In one total order (sequential consistency) one of them sees the other.
typedef struct {
  _Alignas(cacheLine) _Atomic int open;
  convoy_thread_body body;
  void *context;
  long count;
  // On a line of their own: who looks whether a loop is open must not wait for those who are at it.
  _Alignas(cacheLine) _Atomic long next;
  _Atomic long inside;
} Loop;

static struct {
  // The loop of the thread that holds `busy`.
  Loop outer;
  // Loops within its calls: of the thread that holds `busy`, then of each worker.
  Loop inner[mostThreads];
  _Atomic int busy;
  // Changes with every outer loop.
  _Atomic unsigned generation;
  _Atomic long sleepers;
  _Atomic long threads;
  long workers;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
} pool = {
    .threads = 1, .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

// What a thread is in the middle of: nothing that is shared, a call of the outer loop, one of an inner.
enum Depth { outside, inOuter, inInner };

static _Thread_local struct {
  // Of its inner loop.
  long number;
  enum Depth depth;
} self;

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void takeIndices(Loop *loop, enum Depth depth) {
  const enum Depth before = self.depth;
  self.depth = depth;
  const long count = loop->count;
  long index;
  while ((index = atomic_fetch_add_explicit(&loop->next, 1, memory_order_relaxed)) < count)
    loop->body(index, loop->context);
  self.depth = before;
  // Nobody need enter any more. Its owner, who alone opens it again, waits for who is inside.
  atomic_store(&loop->open, 0);
}

static int help(Loop *loop, enum Depth depth) {
  if (!atomic_load_explicit(&loop->open, memory_order_relaxed)) return 0;
  atomic_fetch_add(&loop->inside, 1);
  const int open = atomic_load(&loop->open);
  if (open) takeIndices(loop, depth);
  atomic_fetch_sub(&loop->inside, 1);
  return open;
}

// Beginning with its neighbour's, so that helpers spread.
static int helpInner(void) {
  const long threads = atomic_load_explicit(&pool.threads, memory_order_relaxed);
  for (long i = 1; i < threads; i++)
    if (help(&pool.inner[(self.number + i) % threads], inInner)) return 1;
  return 0;
}

static void openLoop(Loop *loop, long count, convoy_thread_body body, void *context) {
  loop->body = body;
  loop->context = context;
  loop->count = count;
  atomic_store_explicit(&loop->next, 0, memory_order_relaxed);
  atomic_store(&loop->open, 1);
}

// Waiting for one that has lost its core, which may need ours.
static inline void waitABit(long turn) {
  if (turn < 4096) relax(); else sched_yield();
}

// Until there is another loop. While one runs, helps with what its calls divide.
static unsigned awaitChange(unsigned seen) {
  unsigned generation;
  for (long turn = 0; atomic_load(&pool.busy) && self.number < atomic_load(&pool.threads); turn++) {
    if ((generation = atomic_load(&pool.generation)) != seen) return generation;
    if (helpInner()) turn = 0; else waitABit(turn);
  }
  const int64_t start = now();
  do {
    for (int i = 0; i < 32; i++) {
      if ((generation = atomic_load(&pool.generation)) != seen) return generation;
      relax();
    }
  } while (now() - start < spinNanoseconds);
  pthread_mutex_lock(&pool.mutex);
  atomic_fetch_add(&pool.sleepers, 1);
  while ((generation = atomic_load(&pool.generation)) == seen)
    pthread_cond_wait(&pool.changed, &pool.mutex);
  atomic_fetch_sub(&pool.sleepers, 1);
  pthread_mutex_unlock(&pool.mutex);
  return generation;
}

static void *work(void *number) {
  self.number = (long)(intptr_t)number;
  // A worker of before the first loop has seen none: what it misses others do.
  unsigned seen = atomic_load(&pool.generation);
  for (;;) {
    seen = awaitChange(seen);
    if (self.number < atomic_load(&pool.threads)) help(&pool.outer, inOuter);
  }
  return 0;
}

long convoy_threads_use(long count) {
  if (count < 1) count = 1;
  if (count > mostThreads) count = mostThreads;
  pthread_mutex_lock(&pool.mutex);
  // Signals are for the threads that the program knows.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.workers < count - 1) {
    pthread_t thread;
    if (pthread_create(&thread, 0, work, (void *)(intptr_t)(pool.workers + 1)) != 0) break;
    pthread_detach(thread);
    pool.workers++;
  }
  pthread_sigmask(SIG_SETMASK, &before, 0);
  if (count > pool.workers + 1) count = pool.workers + 1;
  atomic_store(&pool.threads, count);
  pthread_mutex_unlock(&pool.mutex);
  return count;
}

long convoy_threads_count(void) { return atomic_load(&pool.threads); }

static void runOuter(long count, convoy_thread_body body, void *context) {
  openLoop(&pool.outer, count, body, context);
  atomic_fetch_add(&pool.generation, 1);
  if (atomic_load(&pool.sleepers) > 0) {
    pthread_mutex_lock(&pool.mutex);
    pthread_cond_broadcast(&pool.changed);
    pthread_mutex_unlock(&pool.mutex);
  }
  takeIndices(&pool.outer, inOuter);
  // The others are at their last index, and may divide it.
  for (long turn = 0; atomic_load(&pool.outer.inside) != 0; turn++)
    if (helpInner()) turn = 0; else waitABit(turn);
}

static void runInner(long count, convoy_thread_body body, void *context) {
  Loop *loop = &pool.inner[self.number];
  openLoop(loop, count, body, context);
  takeIndices(loop, inInner);
  for (long turn = 0; atomic_load(&loop->inside) != 0; turn++) waitABit(turn);
}

void convoy_threads_run(long count, convoy_thread_body body, void *context) {
  if (count > 1 && atomic_load_explicit(&pool.threads, memory_order_relaxed) > 1) {
    int idle = 0;
    if (self.depth == inOuter) return runInner(count, body, context);
    if (self.depth == outside && atomic_compare_exchange_strong(&pool.busy, &idle, 1)) {
      runOuter(count, body, context);
      atomic_store(&pool.busy, 0);
      return;
    }
  }
  for (long index = 0; index < count; index++) body(index, context);
}

static long coresOf(pid_t process) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(process, sizeof set, &set) == 0) return CPU_COUNT(&set);
#else
  (void)process;
#endif
  return 0;
}

long convoy_cores(void) {
  long cores = coresOf(0);
  if (cores < 1) cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 0 ? cores : 1;
}

long convoy_launcher_cores(void) {
  const long cores = coresOf(getppid());
  return cores > 0 ? cores : convoy_cores();
}
