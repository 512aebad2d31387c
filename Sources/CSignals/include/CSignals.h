// What a process does when a signal ends it: says where it was, and removes the files it has not
// finished; or, where it asked for that, notes the signal and goes on to a good place to stop. All of
// it happens in a signal handler, where only a few calls are allowed (POSIX, "async-signal-safe") and
// Swift's runtime is not: so it is C with static memory.
//
// The functions may be called from any thread, but `convoy_signals_set_line` from one at a time.
#ifndef CONVOY_CSIGNALS_H
#define CONVOY_CSIGNALS_H

#include <stdbool.h>
#include <stddef.h>

// Files that can be registered at once, and the longest path, its final zero included.
enum { CONVOY_SIGNALS_PATHS = 64, CONVOY_SIGNALS_PATH_LENGTH = 4096 };
// The longest line; a longer one is cut.
enum { CONVOY_SIGNALS_LINE_LENGTH = 1024 };

// Handles SIGTERM, SIGINT, SIGHUP and SIGUSR1, except those that are ignored (as under nohup): removes
// the registered files, and ends with code 128 + the signal. SIGTERM writes the line first, and keeps
// the process for `linger` seconds when the files are gone.
void convoy_signals_install(double linger);

// From now on the first of these signals is only noted. A second one ends the process as before,
// unless it comes within `echo` seconds: a batch system may send one to each process and to its
// launcher, which passes it on.
void convoy_signals_stop_gently(double echo);

// The signal that was noted, or 0, and the seconds of CLOCK_MONOTONIC at which it came.
int convoy_signals_noted(double *time);

// When the process that started this one has sent it a SIGTERM that was noted, in seconds of
// CLOCK_MONOTONIC; infinity if it has not.
double convoy_signals_from_parent(void);

// A process whose parent has sent it a SIGTERM that was noted is ended so many seconds later, as by a second
// one: the parent would kill it without a word. It need not come to any place in the code for that: a timer
// (SIGALRM) sees to it. Infinity, for never, unless this is called.
void convoy_signals_set_grace(double seconds);

// As the handler ends the process for this signal.
_Noreturn void convoy_signals_end(int signal);

// What SIGTERM writes on stderr; an empty line for nothing.
void convoy_signals_set_line(const char *text, size_t length);

// From now on SIGTERM writes nothing: somebody else has said why the job ends.
void convoy_signals_silence(void);

// SIGTERM writes only at these seconds of CLOCK_MONOTONIC; always, unless this is called. A process
// that keeps `until` a little ahead says nothing when it was stopped and is only woken to be ended.
void convoy_signals_set_times(double from, double until);

// The place of the path, or -1 if it is too long or all places are taken.
int convoy_signals_register(const char *path);
void convoy_signals_unregister(int place);

// Removes the registered files now, and forgets them.
void convoy_signals_remove_files(void);

#endif
