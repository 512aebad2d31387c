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
enum { spinNanoseconds = 50000, mostThreads = 1024 };

static struct {
  // The loop. Written by the thread that holds `busy` while no worker is inside.
  convoy_thread_body body;
  void *context;
  long count;
  _Atomic long next;
  // A worker first enters, then looks whether the loop is open; the caller first closes it, then waits
  // until nobody is inside. In one total order (sequential consistency) one of them sees the other.
  _Atomic int open;
  _Atomic long inside;
  _Atomic int busy;
  // Changes with every loop.
  _Atomic unsigned generation;
  _Atomic long sleepers;
  _Atomic long threads;
  long workers;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
} pool = {
    .threads = 1, .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

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

static void takeIndices(void) {
  const long count = pool.count;
  for (;;) {
    const long index = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed);
    if (index >= count) return;
    pool.body(index, pool.context);
  }
}

static unsigned awaitChange(unsigned seen) {
  const int64_t start = now();
  do {
    for (int i = 0; i < 32; i++) {
      const unsigned generation = atomic_load(&pool.generation);
      if (generation != seen) return generation;
      relax();
    }
  } while (now() - start < spinNanoseconds);
  pthread_mutex_lock(&pool.mutex);
  atomic_fetch_add(&pool.sleepers, 1);
  unsigned generation;
  while ((generation = atomic_load(&pool.generation)) == seen)
    pthread_cond_wait(&pool.changed, &pool.mutex);
  atomic_fetch_sub(&pool.sleepers, 1);
  pthread_mutex_unlock(&pool.mutex);
  return generation;
}

static void *work(void *number) {
  const long mine = (long)(intptr_t)number;
  // A worker of before the first loop has seen none: what it misses others do.
  unsigned seen = atomic_load(&pool.generation);
  for (;;) {
    seen = awaitChange(seen);
    if (mine >= atomic_load(&pool.threads)) continue;
    atomic_fetch_add(&pool.inside, 1);
    if (atomic_load(&pool.open)) takeIndices();
    atomic_fetch_sub(&pool.inside, 1);
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

void convoy_threads_run(long count, convoy_thread_body body, void *context) {
  int idle = 0;
  if (count < 2 || atomic_load_explicit(&pool.threads, memory_order_relaxed) < 2
      || !atomic_compare_exchange_strong(&pool.busy, &idle, 1)) {
    for (long index = 0; index < count; index++) body(index, context);
    return;
  }
  pool.body = body;
  pool.context = context;
  pool.count = count;
  atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
  atomic_store(&pool.open, 1);
  atomic_fetch_add(&pool.generation, 1);
  if (atomic_load(&pool.sleepers) > 0) {
    pthread_mutex_lock(&pool.mutex);
    pthread_cond_broadcast(&pool.changed);
    pthread_mutex_unlock(&pool.mutex);
  }
  takeIndices();
  atomic_store(&pool.open, 0);
  // The others are at their last index. One that has lost its core needs ours.
  for (long turn = 0; atomic_load(&pool.inside) != 0; turn++)
    if (turn < 4096) relax(); else sched_yield();
  atomic_store(&pool.busy, 0);
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
