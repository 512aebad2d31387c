#include "CSignals.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
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

static bool speaks(void) {
  struct timespec time = {0};
  clock_gettime(CLOCK_MONOTONIC, &time);
  double now = (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
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

static void end(int signal) {
  if (signal == SIGTERM && speaks()) {
    int now = atomic_load(&shown);
    // Nothing can be done about a line that cannot be written, but the compiler wants it asked.
    if (write(STDERR_FILENO, line.text[now], line.length[now]) < 0) atomic_store(&silent, true);
  }
  convoy_signals_remove_files();
  _exit(128 + signal);
}

void convoy_signals_install(void) {
  const int signals[] = {SIGTERM, SIGINT, SIGHUP};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    struct sigaction old, new = {.sa_handler = end};
    if (sigaction(signals[i], NULL, &old) != 0 || old.sa_handler == SIG_IGN) continue;
    // The other two wait, so that what this one does is done once.
    for (size_t j = 0; j < sizeof signals / sizeof *signals; j++) {
      sigaddset(&new.sa_mask, signals[j]);
    }
    sigaction(signals[i], &new, NULL);
  }
}
