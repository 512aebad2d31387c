"""A fault: what is done to a run, when, and what must come of it."""

import os
import random
import re
import shutil
import time

from job import Job

SIGNALS = ["TERM", "INT", "USR1"]
KINDS = ["KILL", "STOP", "cut", *SIGNALS]
MOMENTS = ["start", "compute", "sum", "checkpoint", "end"]
LIMIT = 60
STEPS = 90
CONFIGURATION = """seed: 5
output: run
data: {kind: synthetic, trainingSamples: 480, testSamples: 17, height: 8, width: 8, classes: 3}
training: {epochs: 3, batchSize: 16, checkpointSteps: 7}
"""


class Fault:
    """All of it from the seed and the number, but for the moment at which it meets the run."""

    def __init__(self, seed, number, virtual, only=None):
        pick = random.Random(f"{seed}/{number}")
        self.number = number
        self.ranks = pick.choice([2, 4])
        here = [] if only == "cut" else [0]
        self.hosts = pick.choice(here + ([2, 4] if self.ranks == 4 else [2])) if virtual else 0
        # Two in seven of those on hosts are cut links, which only these can have.
        kinds = [kind for kind in KINDS if kind != "cut"] + ["cut", "cut"] * (self.hosts > 0)
        self.kind = only or pick.choice(kinds)
        self.moment = pick.choice(MOMENTS)
        # Slow links make the sums long.
        self.bandwidth = "10mbit" if self.moment == "sum" and self.hosts else None
        self.rank = pick.randrange(self.ranks)
        self.at_launcher = self.kind in SIGNALS and pick.random() < 0.5
        self.step = pick.randrange(2, 20 if self.bandwidth else 60)
        # Half of those at the start come before the program's first line.
        self.delay = pick.choice([0, pick.random()]) if self.moment == "start" else pick.random()

    @property
    def concerned(self):
        """The ranks that it is done to; none, if it is all."""
        if self.at_launcher:
            return []
        if self.kind != "cut":
            return [self.rank]
        each = self.ranks // self.hosts
        first = self.rank // each * each
        return list(range(first, first + each))

    def __str__(self):
        where = f"{self.hosts} hosts" if self.hosts else "here"
        whom = "launcher" if self.at_launcher else f"rank {self.rank}"
        if self.kind == "cut":
            whom = f"host of {whom}"
        when = {
            "start": f"{self.delay / 2:.2f} s after its start",
            "compute": f"at step {self.step}",
            "sum": f"at step {self.step}" + (", slow sums" if self.bandwidth else ", sums"),
            "checkpoint": f"in the checkpoint after {self.step}",
            "end": "at the end",
        }[self.moment]
        return f"{self.kind:4} {whom:14} {when:29} {self.ranks} ranks {where:7}"


def lines(run):
    try:
        return (run / "metrics.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def partial(run):
    """Files that are not finished; a folder is listed in a moment."""
    try:
        return [name for name in os.listdir(run / "checkpoints") if name.endswith(".partial")]
    except OSError:
        return []


def strike(fault, job, run):
    """Does it when its moment has come; false if the job was over by then."""

    def wait(pause, condition):
        while not (found := condition()) and job.process.poll() is None:
            time.sleep(pause)
        return found

    if fault.moment != "start":
        wait(0.002, lambda: lines(run))
    # Looked for before the moment has come, for a look takes longer than a checkpoint.
    target = wait(0.005, lambda: job.target(fault))
    if fault.moment == "start":
        time.sleep(fault.delay / 2)
    elif fault.moment == "end":
        wait(0.002, lambda: lines(run) >= STEPS - 1)
        time.sleep(0.1 * fault.delay)
    else:
        wait(0.001, lambda: lines(run) >= fault.step)
        if fault.moment == "checkpoint":
            wait(0.0002, lambda: partial(run))
        else:
            time.sleep(0.02 * fault.delay)
    return target is not None and job.process.poll() is None and job.strike(fault, target)


# What a job says whose fault was noticed. A launcher may end a job whose run is complete.
SIGNALLED = r"stopped by SIG|ended from outside|exited on signal|asking all ranks to stop|\({steps} steps\)"
REASONS = {
    "KILL": r"exited on signal 9|gave no sign of life",
    "STOP": r"gave no sign of life|has not connected|has not taken leave",
    "cut": r"lost communication with a remote daemon|gave no sign of life|has not connected|has not taken leave",
    **dict.fromkeys(SIGNALS, SIGNALLED),
}
STEP = re.compile(r"\b(in|after) step \d+|: (start-up|end): MPI")
# How words name the rank that a fault was done to, or one of those that it was.
RANK = (r"process rank {r} with|\brank {r} of \d+ on \S+ gave no sign of life|gave no sign of life.*\brank {r} on"
        r"|nothing is heard of.*\brank {r} on|\bstopped by SIG\w+ of ranks?.*\b{r}\b.* after"
        r"|\branks? .*\b{r}\b.* (is|are) stopped|\brank {r} of \d+ on \S+: ended from outside")


def timeless(run):
    return re.sub(r',"imagesPerSecond":.*', "", (run / "metrics.jsonl").read_text())


def differences(run, whole):
    """What of a run differs from one that nothing interrupted."""
    if timeless(run) != timeless(whole):
        yield "metrics.jsonl differs"
    for name in ("weights.safetensors", f"checkpoints/step-{STEPS:09}.safetensors"):
        if (run / name).read_bytes() != (whole / name).read_bytes():
            yield f"{name} differs"
    for path in run.rglob("*.partial"):
        yield f"{path.name} is left"


class Outcome:
    """What came of a fault."""

    def __init__(self, fault):
        self.fault = fault
        self.wrong = []
        self.ending = ""
        self.seconds = 0
        self.names_step = self.names_rank = False

    def judge_words(self, text, code, is_training):
        """Whether they say why the job has ended, in which step, and because of which rank."""
        fault = self.fault
        self.names_step = bool(STEP.search(text))
        self.names_rank = not fault.concerned or any(
            re.search(RANK.replace("{r}", str(rank)), text) for rank in fault.concerned)
        # mpirun itself tells its ranks of SIGTERM and SIGINT a second later; else a step is the longest wait.
        if (fault.kind in SIGNALS and fault.moment != "end" and is_training and code == 0
                and self.seconds > 1 + (fault.at_launcher and fault.hosts > 0)):
            self.wrong.append("is not heeded")
        if "stopped by SIG" in text and "ended from outside" in text:
            self.wrong.append("says that it stopped, and was ended")
        # Who ends a launcher that has not started the run knows why.
        if code in (0, None) or fault.at_launcher and not is_training:
            return
        if not re.search(REASONS[fault.kind].format(steps=STEPS), text):
            self.wrong.append("does not say why")
        # Of what comes before the first step, or when the run is complete, there may be less to say.
        elif is_training and "weights " not in text:
            self.wrong += ["names no step"] * (not self.names_step) + ["names no rank"] * (not self.names_rank)

    def __str__(self):
        words = [word for word, is_named in (("step", self.names_step), ("rank", self.names_rank)) if is_named]
        return (f"{'FAIL' if self.wrong else 'ok':4} {self.fault.number:3} {self.fault} {self.ending:7} "
                f"{self.seconds:5.1f} s  named: {', '.join(words) or 'nothing'}"
                + "".join(f"; {reason}" for reason in self.wrong))


def try_fault(fault, options, wholes):
    """Interrupts a run, and goes on with it; a folder is kept where something was wrong."""
    outcome = Outcome(fault)
    folder = options.work / f"{fault.number}"
    folder.mkdir()
    (folder / "c.yaml").write_text(CONFIGURATION)
    command = ["train", "c.yaml", "--resume-or-start"]
    job = Job(folder, "struck", options.convoy, fault.ranks, fault.hosts, fault.bandwidth,
              command + ["--timeout", "20"])
    run = folder / "run"
    is_struck = strike(fault, job, run)
    is_training = lines(run) > 0
    begin = time.monotonic()
    code = job.end(LIMIT / 2)
    waits = code is None and job.is_stopped_alone(fault)
    if code is None:
        code = job.end(LIMIT / 2)
    outcome.seconds = time.monotonic() - begin
    left = job.clear()
    text = job.text()
    outcome.ending = ("waits" if waits else "hangs" if code is None else "done" if code == 0 else
                      "stopped" if "stopped by SIG" in text else "ended")
    if code is None:
        outcome.wrong.append(f"still there after {LIMIT} s: {', '.join(left)}")
    elif left:
        outcome.wrong.append("left " + ", ".join(left))
    # Rank 0 writes; killed, it cannot take anything away.
    if not (fault.kind == "KILL" and fault.rank == 0):
        outcome.wrong += [f"left {name}" for name in partial(run)]
    if not is_struck and code != 0:
        outcome.wrong.append("failed by itself")
    outcome.judge_words(text, code, is_training)

    again = Job(folder, "again", options.convoy, fault.ranks, arguments=command)
    if again.end(LIMIT) != 0:
        outcome.wrong.append("does not go on")
        again.clear()
    else:
        outcome.wrong += differences(run, wholes[fault.ranks])
    if options.trial is not None:
        for name in ("struck", "again"):
            print(f"--- {name}\n{(folder / f'{name}.log').read_text(errors='replace')}")
    if not outcome.wrong:
        shutil.rmtree(folder)
    return outcome
