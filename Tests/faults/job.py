"""A run under scripts/mpi or cluster/virtual/run: its processes, and what can be done to them."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MARK = "CONVOY_FAULT"


class Job:
    """Its processes are found by a variable that all of them inherit."""

    def __init__(self, folder, name, convoy, ranks, hosts=0, bandwidth=None, arguments=()):
        self.mark = f"{folder}/{name}"
        program = [str(convoy), *arguments]
        if hosts:
            command = [str(ROOT / "cluster/virtual/run"), "--hosts", str(hosts)]
            command += ["--ranks-per-host", str(ranks // hosts)]
            command += (["--bandwidth", bandwidth] if bandwidth else []) + ["--"]
        else:
            command = [str(ROOT / "scripts/mpi"), str(ranks)]
        self.hosts, self.ranks = hosts, ranks
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command + program, cwd=folder, env={**os.environ, MARK: self.mark}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)

    def processes(self):
        """Number, name and environment of each."""
        mark = f"{MARK}={self.mark}".encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                environment = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
                if mark not in environment:
                    continue
                state = Path(f"/proc/{entry}/stat").read_text().rsplit(") ", 1)[1][0]
                if state != "Z":
                    name = Path(f"/proc/{entry}/comm").read_text().strip()
                    yield int(entry), name, environment
            except (OSError, IndexError):
                continue

    def rank(self, rank):
        """The number of its process; None where it is not there."""
        variable = f"OMPI_COMM_WORLD_RANK={rank}".encode()
        for number, name, environment in self.processes():
            if name == "convoy" and variable in environment:
                return number

    def launcher(self):
        """On this machine the script, which makes SIGUSR1 of the others; else mpirun."""
        if not self.hosts:
            return self.process.pid
        return next((number for number, name, _ in self.processes() if name == "mpirun"), None)

    def bridge(self):
        """The first process of the namespace in which all links end."""
        for number, _, _ in self.processes():
            try:
                numbers = re.search(r"NSpid:(.*)", Path(f"/proc/{number}/status").read_text())[1].split()
            except (OSError, TypeError):
                continue
            if len(numbers) > 1 and numbers[-1] == "1":
                return number

    def target(self, fault):
        """The process that the fault is to be done to; None where it is not there."""
        if fault.kind == "cut":
            # Before the rank is there its host may not be, either.
            return self.rank(fault.rank) and self.bridge()
        return self.launcher() if fault.at_launcher else self.rank(fault.rank)

    def strike(self, fault, target):
        """False where there is nobody to be struck any more."""
        if fault.kind == "cut":
            host = f"convoy{fault.rank * self.hosts // self.ranks}"
            command = ["nsenter", "-t", str(target), "-n", "ip", "link", "set", host, "down"]
            return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
        try:
            os.kill(target, getattr(signal, f"SIG{fault.kind}"))
        except ProcessLookupError:
            return False
        return True

    def is_stopped_alone(self, fault):
        """Whether all ranks but a stopped one have ended: they need it no more, and nobody is left to miss
        it. Lets it go on."""
        ranks = [number for number, name, _ in self.processes() if name == "convoy"]
        if fault.kind != "STOP" or ranks != [self.rank(fault.rank)] or "weights" not in self.text():
            return False
        os.kill(ranks[0], signal.SIGCONT)
        return True

    def end(self, limit):
        """The exit code; None where it is still there."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return None

    def clear(self):
        """Ends what is left after two seconds, and says what it was."""
        left = []
        for _ in range(20):
            left = list(self.processes())
            if not left:
                return []
            time.sleep(0.1)
        for number, _, _ in left:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.poll()
        return [f"{name} ({number})" for number, name, _ in left]

    def text(self):
        return self.log.read_text(errors="replace")
