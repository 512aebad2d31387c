"""Runs commands as one person would type them, one after the other, into one shell."""

import difflib
import os
import re
import signal
import subprocess


class Failure(Exception):
    """Why a block is wrong."""


class Session:
    """The shell's folder and exported variables live from block to block."""

    def __init__(self, folder, environment, seconds):
        self.folder, self.environment, self.seconds = folder, environment, seconds
        self.state = folder.parent / f"{folder.name}.state"

    def run(self, script, stop=False):
        """Exit code and all that was printed. `stop`: at the first command that fails."""
        text = "\n".join([
            f"trap 'export -p >\"{self.state}\"; printf \"cd %q\\n\" \"$PWD\" >>\"{self.state}\"' EXIT",
            f"[ ! -e '{self.state}' ] || . '{self.state}'",
            "set -e -o pipefail" if stop else "", script])
        process = subprocess.Popen(
            ["bash", "-c", text], cwd=self.folder, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)
        try:
            output, _ = process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            raise Failure(f"still runs after {self.seconds} s; so far:\n{output}") from None
        return process.returncode, output


def is_whole(command):
    """Whether a shell would run this, or wait for more lines."""
    if command.endswith("\\"):
        return False
    return subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode == 0


def console(text):
    """The commands of a console block, each with what it is to print."""
    lines, commands = text.split("\n"), []
    while lines:
        line = lines.pop(0)
        if line.startswith("$ "):
            command = line[2:]
            while not is_whole(command):
                if not lines:
                    raise Failure(f"not a whole command: {command}")
                command += "\n" + lines.pop(0)
            commands.append((command, []))
        elif commands:
            commands[-1][1].append(line)
        else:
            raise Failure(f"expected `$ command`, found: {line}")
    return commands


def pattern(line):
    """A regular expression of what an expected line stands for."""
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    return ".*".join(re.escape(part) for part in line.split("…")) + r"\n"


def compare(expected, output):
    actual = [line.rstrip() for line in output.rstrip("\n").split("\n")] if output.strip() else []
    expected = [line.rstrip() for line in expected]
    while expected and not expected[-1]:
        expected.pop()
    if not re.fullmatch("".join(map(pattern, expected)), "".join(line + "\n" for line in actual)):
        difference = difflib.unified_diff(expected, actual, "in the document", "printed", lineterm="")
        raise Failure("prints something else:\n" + "\n".join(difference))
