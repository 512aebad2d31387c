"""Running convoy on an input, and what is wrong with what it did."""

import ast
import math
import os
import resource
import signal
import subprocess
import tempfile
import time

PROCESSOR_SECONDS = 10
# Asleep by the clock: a machine that is busy with other things, or with its disk, is not the input's fault.
SECONDS_ASLEEP = 30
MEMORY = 1 << 30
CRASH = ("Fatal error", "crashed", "Illegal instruction", "Backtrace", "*** ", "free():", "malloc",
         "AddressSanitizer", "runtime error", "terminate called", "precondition", "unexpectedly found nil")


def is_whole(path):
    """Whether a file is an npy file of just the bytes that its header says."""
    # A pipe would be waited for.
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(10)
            if start[:6] != b"\x93NUMPY":
                return False
            length = int.from_bytes(start[8:10], "little")
            header = ast.literal_eval(file.read(length).decode("latin1"))
        elements = math.prod(header["shape"]) * int(header["descr"][2:])
        return os.path.getsize(path) == 10 + length + elements
    except (OSError, ValueError, SyntaxError, KeyError):
        return False


def listing(folder):
    names = set()
    for path, folders, files in os.walk(folder):
        for name in folders + files:
            names.add(os.path.relpath(os.path.join(path, name), folder))
    return names


def is_asleep(process):
    """Whether no thread runs, is ready to run or waits for the disk."""
    try:
        for task in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{task}/stat") as file:
                if file.read().rsplit(") ", 1)[1][0] in "RD":
                    return False
    except (OSError, IndexError):
        return False
    return True


def execute(world, case, folder):
    """Runs it; returns the exit code (negative: a signal, None: killed here), what it printed and what it took."""
    printed = [tempfile.TemporaryFile(dir=world.root) for _ in range(2)]
    process = subprocess.Popen([world.binary] + case.arguments, cwd=folder, env=world.environment,
                               stdin=subprocess.DEVNULL, stdout=printed[0], stderr=printed[1])
    # What does not end is ended.
    resource.prlimit(process.pid, resource.RLIMIT_CPU, (4 * PROCESSOR_SECONDS, 4 * PROCESSOR_SECONDS))
    last = time.monotonic()
    asleep = 0
    reason = None
    delay = 0.002
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if reason is None:
            try:
                with open(f"/proc/{process.pid}/statm") as file:
                    resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except (OSError, IndexError):
                resident = 0
            if resident > 2 * MEMORY:
                reason = f"took more than {2 * MEMORY} bytes and was killed"
            now = time.monotonic()
            asleep = asleep + now - last if is_asleep(process.pid) else 0
            last = now
            if asleep > SECONDS_ASLEEP:
                reason = f"slept for {SECONDS_ASLEEP} s and was killed"
            if reason:
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(delay)
        delay = min(0.05, delay * 1.3)
    process.returncode = os.waitstatus_to_exitcode(status)
    texts = []
    for file in printed:
        file.seek(0)
        texts.append(file.read(1 << 22))
        file.close()
    return process.returncode, texts, usage, reason


def faults(case, folder, before, result):
    code, (output, errors), usage, reason = result
    found = []
    if reason:
        found.append(f"{reason} (after {usage.ru_utime + usage.ru_stime:.1f} s of processor time)")
    elif code < 0:
        found.append(f"ended by signal {-code} ({signal.Signals(-code).name})")
    elif code not in (0, 1, 64):
        found.append(f"exit code {code}")
    seconds = usage.ru_utime + usage.ru_stime
    if seconds > PROCESSOR_SECONDS:
        found.append(f"took {seconds:.1f} s of processor time")
    if usage.ru_maxrss * 1024 > MEMORY:
        found.append(f"took {usage.ru_maxrss >> 10} MiB of memory")
    if code in (1, 64) and not errors:
        found.append(f"said nothing with exit code {code}")
    text = (output + errors).decode("utf8", "replace")
    for sign in CRASH:
        if sign in errors.decode("utf8", "replace"):
            found.append(f"said '{sign}'")
    control = sorted({c for c in text if (c < " " and c not in "\n\t") or "\x7f" <= c < "\xa0" or c in "\u202e\u2028"})
    if control:
        found.append(f"printed control characters {control}")
    new = listing(folder) - before
    if any(name.endswith(".partial") for name in new):
        found.append("left a .partial file")
    # A report or a trace that can't be written after all is a failure, but what was computed before it is kept, whole.
    whole = {name for name in case.outputs if code == 1 and is_whole(os.path.join(folder, name))}
    allowed = case.may_leave | (case.outputs if code == 0 else whole)
    left = [n for n in new if n.split("/")[0] not in allowed and os.path.normpath(n) not in
            {os.path.normpath(a) for a in allowed}]
    if left:
        found.append(f"left {sorted(left)} with exit code {code}")
    return found
