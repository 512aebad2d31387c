#include "CSignals.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// A handler may interrupt a change of the line, so it is changed in the text that is not shown.
static struct {
  char text[2][CONVOY_SIGNALS_LINE_LENGTH];
  size_t length[2];
} line;
static atomic_int shown;
static atomic_bool silent;
static _Atomic double speaks_from = -INFINITY;
static _Atomic double speaks_until = INFINITY;
static _Atomic double lingers;

// What is asked of the first signal, and what came of it.
static struct {
  atomic_bool is_asked;
  _Atomic double echo;
  atomic_int signal;
  _Atomic double time;
  _Atomic double parent_time;
  _Atomic double grace;
} gentle = {.parent_time = INFINITY, .grace = INFINITY};

enum { FREE, CHANGING, USED };
static struct {
  atomic_int state;
  char path[CONVOY_SIGNALS_PATH_LENGTH];
} places[CONVOY_SIGNALS_PATHS];

static bool move(int place, int from, int to) {
  return atomic_compare_exchange_strong(&places[place].state, &from, to);
}

void convoy_signals_set_line(const char *text, size_t length) {
  int next = 1 - atomic_load(&shown);
  if (length > sizeof line.text[next]) length = sizeof line.text[next];
  memcpy(line.text[next], text, length);
  line.length[next] = length;
  atomic_store(&shown, next);
}

void convoy_signals_silence(void) { atomic_store(&silent, true); }

void convoy_signals_set_times(double from, double until) {
  atomic_store(&speaks_from, from);
  atomic_store(&speaks_until, until);
}

static double seconds(void) {
  struct timespec time = {0};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static bool speaks(void) {
  double now = seconds();
  return !atomic_load(&silent) && atomic_load(&speaks_from) <= now &&
         now < atomic_load(&speaks_until);
}

int convoy_signals_register(const char *path) {
  size_t length = strlen(path) + 1;
  if (length > CONVOY_SIGNALS_PATH_LENGTH) return -1;
  for (int place = 0; place < CONVOY_SIGNALS_PATHS; place++) {
    if (!move(place, FREE, CHANGING)) continue;
    memcpy(places[place].path, path, length);
    atomic_store(&places[place].state, USED);
    return place;
  }
  return -1;
}

void convoy_signals_unregister(int place) {
  if (place >= 0 && place < CONVOY_SIGNALS_PATHS) move(place, USED, FREE);
}

void convoy_signals_remove_files(void) {
  for (int place = 0; place < CONVOY_SIGNALS_PATHS; place++) {
    if (!move(place, USED, CHANGING)) continue;
    unlink(places[place].path);
    atomic_store(&places[place].state, FREE);
  }
}

static void wait_for(double seconds) {
  struct timespec time = {.tv_sec = (time_t)seconds};
  time.tv_nsec = (long)(1e9 * (seconds - (double)time.tv_sec));
  nanosleep(&time, NULL);
}

void convoy_signals_end(int signal) {
  if (signal == SIGTERM && speaks()) {
    int now = atomic_load(&shown);
    // Nothing can be done about a line that cannot be written, but the compiler wants it asked.
    if (write(STDERR_FILENO, line.text[now], line.length[now]) < 0) atomic_store(&silent, true);
  }
  convoy_signals_remove_files();
  double linger = atomic_load(&lingers);
  if (signal == SIGTERM && linger > 0) {
    wait_for(linger);
    // Other threads went on meanwhile.
    convoy_signals_remove_files();
  }
  _exit(128 + signal);
}

void convoy_signals_stop_gently(double echo) {
  atomic_store(&gentle.echo, echo);
  atomic_store(&gentle.is_asked, true);
}

int convoy_signals_noted(double *time) {
  *time = atomic_load(&gentle.time);
  return atomic_load(&gentle.signal);
}

double convoy_signals_from_parent(void) { return atomic_load(&gentle.parent_time); }

void convoy_signals_set_grace(double seconds) { atomic_store(&gentle.grace, seconds); }

// Ends the process if the time that its parent gives it is over, or looks again then.
static void heed_grace(void) {
  double left = atomic_load(&gentle.parent_time) + atomic_load(&gentle.grace) - seconds();
  if (left <= 0) convoy_signals_end(SIGTERM);
  if (!isfinite(left)) return;
  struct itimerval timer = {.it_value = {.tv_sec = (time_t)left}};
  timer.it_value.tv_usec = 1 + (suseconds_t)(999998 * (left - (double)timer.it_value.tv_sec));
  setitimer(ITIMER_REAL, &timer, NULL);
}

static void handle(int signal, siginfo_t *info, void *context) {
  (void)context;
  if (signal == SIGALRM) {
    heed_grace();
    return;
  }
  if (!atomic_load(&gentle.is_asked)) convoy_signals_end(signal);
  double now = seconds();
  if (signal == SIGTERM && info->si_code <= 0 && info->si_pid == getppid() &&
      isinf(atomic_load(&gentle.parent_time))) {
    atomic_store(&gentle.parent_time, now);
  }
  if (atomic_load(&gentle.signal) == 0) {
    // The time first: whoever sees the signal sees its time.
    atomic_store(&gentle.time, now);
    atomic_store(&gentle.signal, signal);
  } else if (now - atomic_load(&gentle.time) >= atomic_load(&gentle.echo)) {
    convoy_signals_end(signal);
  }
  heed_grace();
}

void convoy_signals_install(double linger) {
  atomic_store(&lingers, linger);
  const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGALRM};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    // What is noted goes on, with the call that it came into.
    struct sigaction old, new = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};
    if (sigaction(signals[i], NULL, &old) != 0 || old.sa_handler == SIG_IGN) continue;
    // The others wait, so that what this one does is done once.
    for (size_t j = 0; j < sizeof signals / sizeof *signals; j++) {
      sigaddset(&new.sa_mask, signals[j]);
    }
    sigaction(signals[i], &new, NULL);
    // Whoever starts this process from a thread that leaves signals to others has them held back here, too.
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, signals[i]);
    sigprocmask(SIG_UNBLOCK, &own, NULL);
  }
}
