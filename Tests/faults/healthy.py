"""Healthy runs over slow links, which nothing may end."""

import random
import shutil
import struct
import time

from job import Job

CONFIGURATION = """seed: 5
output: run
data: {kind: synthetic, trainingSamples: 480, testSamples: 17, height: 8, width: 8, classes: 3}
training: {epochs: 3, batchSize: 16}
"""


def matrix(path, rows, columns):
    """An npy file of small whole numbers."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    header += " " * (117 - len(header)) + "\n"
    row = struct.pack(f"<{columns}f", *(float(j % 5 - 2) for j in range(columns)))
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.write(row * rows)


def work(pick, folder, megabits):
    """A name, and the arguments of a command that sends for up to about 40 seconds."""
    kind = pick.choice(["train", "contract", "bench"])
    if kind == "train":
        (folder / "c.yaml").write_text(CONFIGURATION)
        steps = max(5, min(90, megabits // 2))
        return f"train {steps} steps", ["train", "c.yaml", "--set", f"training.maxSteps={steps}"]
    if kind == "contract":
        # Up to 36 MB an operand.
        side = min(300 * pick.randrange(1, 11), int((40e6 * megabits / 32) ** 0.5))
        for operand in ("a", "b"):
            matrix(folder / f"{operand}.npy", side, side)
        return f"contract {side}²", ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", "c.npy"]
    operation = pick.choice(["exchange", "all-reduce", "all-gather"])
    # Sent twice, for one is not timed.
    size = min(64 << 20, int(megabits * 1e6 / 8 * pick.choice([2, 8])))
    return f"{operation} {size >> 10} KiB", [
        "bench", "comm", "--operation", operation, "--sizes", str(size // 8 * 8), "--repetitions", "1"]


def try_healthy(number, options):
    """What was wrong, and a line about it."""
    pick = random.Random(f"{options.seed}/healthy/{number}")
    hosts = pick.choice([2, 3, 4])
    bandwidth = pick.choice(["5mbit", "10mbit", "20mbit", "50mbit", "100mbit", "1gbit"])
    folder = options.work / f"healthy{number}"
    folder.mkdir()
    name, arguments = work(pick, folder, 1000 if bandwidth == "1gbit" else int(bandwidth[:-4]))
    begin = time.monotonic()
    job = Job(folder, "healthy", options.convoy, hosts, hosts, bandwidth, arguments)
    code = job.end(600)
    seconds = time.monotonic() - begin
    left = job.clear()
    wrong = []
    if code is None:
        wrong.append(f"still there after 600 s: {', '.join(left)}")
    elif code != 0 or "convoy: error" in job.text():
        wrong.append(f"code {code}")
    if not wrong:
        shutil.rmtree(folder)
    return wrong, f"{name:22} {hosts} hosts {bandwidth:8} {seconds:6.1f} s"
