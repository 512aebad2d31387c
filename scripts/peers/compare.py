"""Compares Convoy's layers with PyTorch's (torch_layers.py): the two in turn, case by case, on the
same cores, so that what else the machine does meets both alike. Times are of forward + backward.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOAL = 2.5  # times the roofline, at most
FORMS = ["DENSE", "CP", "TK", "TT", "TR", "RCP", "RTK", "RTT", "RTR"]


class Peer:
    """torch_layers.py --serve: one process, asked for one case at a time."""

    def __init__(self, python, cases, threads, cores, plain):
        self.process = subprocess.Popen(
            [*pinned(cores), python, "-B", str(ROOT / "scripts/peers/torch_layers.py"),
             "--cases", str(cases), "--threads", str(threads), "--serve",
             *(["--plain"] if plain else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # Importing PyTorch takes seconds, on the core that Convoy is about to be measured on.
        self.answer()

    def measure(self, index):
        try:
            self.process.stdin.write(f"{index}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"compare.py: the PyTorch peer ended, exit code {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def pinned(cores):
    return ["taskset", "-c", ",".join(map(str, cores))]


def measure_convoy(options, cases, name):
    """The case's object, or one with the key `error`."""
    command = [*pinned(options.cores), options.convoy, "bench", "layers",
               "--threads", str(options.threads), "--cases", str(cases),
               "--filter", name, "--json"]
    if options.machine:
        command += ["--machine", str(options.machine)]
    run = subprocess.run(command, capture_output=True, text=True)
    lines = run.stdout.strip().splitlines()
    if run.returncode != 0 or not lines:
        reason = (run.stderr.strip().splitlines() or ["no output"])[-1]
        return {"name": name, "error": f"exit code {run.returncode}: {reason}"}
    answer = json.loads(lines[-1])
    for result in answer if isinstance(answer, list) else [answer]:
        if result["name"] == name:
            return result
    return {"name": name, "error": "not in Convoy's answer"}


class Row:
    """A case and what was measured of it. Times in milliseconds."""

    def __init__(self, case, convoy, torch):
        self.name, self.form = case["name"], case["form"]
        errors = [f"{who}: {result['error']}" for who, results in
                  (("Convoy", convoy), ("PyTorch", torch)) for result in results
                  if "error" in result]
        self.error = errors[0] if errors else None
        if self.error:
            return
        self.convoy = statistics.median(r["milliseconds"] for r in convoy)
        self.torch = statistics.median(r["milliseconds"] for r in torch)
        # The fastest way may change from run to run: name that of the run nearest the median.
        self.method = min(torch, key=lambda r: abs(r["milliseconds"] - self.torch))["method"]
        # Above 1: Convoy is faster.
        self.ratio = self.torch / self.convoy
        bounds = [r["roofline"] for r in convoy if r.get("roofline")]
        # `roofline` is the least time possible, so this is at least 1 but for noise.
        self.excess = self.convoy / statistics.median(bounds) if bounds else None


def number(value):
    return "–" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def table(header, rows, align):
    """A Markdown table whose columns also line up as plain text."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells):
        return "| " + " | ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, align)) + " |"

    rule = "| " + " | ".join(
        "-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, align)) + " |"
    return "\n".join([line(header), rule, *map(line, rows)])


def case_table(rows):
    header = ["Case", "Convoy, ms", "PyTorch, ms", "PyTorch's fastest way", "PyTorch / Convoy",
              "Convoy / roofline"]
    lines = []
    for row in rows:
        if row.error:
            lines.append([row.name, "–", "–", row.error, "–", "–"])
        else:
            lines.append([row.name, number(row.convoy), number(row.torch), row.method,
                          number(row.ratio), number(row.excess)])
    return table(header, lines, [False, True, True, False, True, True])


def summary_table(rows):
    """Per form and in total: geometric mean, worst case, share near the roofline."""
    header = ["Form", "Cases", "PyTorch / Convoy, geometric mean", "worst", "worst case",
              f"within {GOAL}× of roofline"]
    lines = []
    measured = [row for row in rows if not row.error]
    present = {row.form for row in measured}
    forms = [form for form in FORMS if form in present] + sorted(present - set(FORMS))
    for form in [*forms, "all"]:
        part = [row for row in measured if form in (row.form, "all")]
        if not part:
            continue
        worst = min(part, key=lambda row: row.ratio)
        bounded = [row.excess for row in part if row.excess is not None]
        near = sum(excess <= GOAL for excess in bounded)
        lines.append([
            form, str(len(part)), number(geometric_mean(row.ratio for row in part)),
            number(worst.ratio), worst.name,
            f"{near} of {len(bounded)} ({100 * near / len(bounded):.0f} %)" if bounded else "–"])
    return table(header, lines, [False, True, True, True, False, True])


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def machine():
    for line in open("/proc/cpuinfo") if os.path.exists("/proc/cpuinfo") else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/bench-peers", description=__doc__, epilog="CONVOY and CONVOY_PEER_PYTHON in "
        "the environment name a built convoy and a Python that has torch and opt_einsum.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--filter", default="", help="only the cases whose name contains this")
    parser.add_argument("--sample", type=int, default=1, metavar="K", help="only every K-th case")
    parser.add_argument("--repetitions", type=int, default=1, metavar="R",
                        help="visit each case so often, the two in turn; medians are reported")
    parser.add_argument("--cases", type=Path, default=ROOT / "scripts/peers/layers.json",
                        help="JSON list of layers (scripts/peers/layers.json, which has 125)")
    parser.add_argument("--machine", type=Path, metavar="FILE", help="the rates of the roofline, "
                        "as convoy calibrate writes them; otherwise measured anew for each case")
    parser.add_argument("--plain", action="store_true", help="a peer as most would write it: the "
                        "kernel rebuilt or the factors one by one, channels first, default allocator")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements there")
    parser.add_argument("--cores", help="e.g. 0,1; otherwise the last of those this may use")
    # Whether the options are right, before anything is installed or built for them.
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--convoy", help=argparse.SUPPRESS)
    parser.add_argument("--peer-python", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if min(options.threads, options.sample, options.repetitions) < 1:
        parser.error("--threads, --sample and --repetitions must be at least 1")
    for path in filter(None, (options.cases, options.machine)):
        if not path.is_file():
            parser.error(f"there is no file {path}")
    if options.json and not options.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.absolute().parent}")
    allowed = sorted(os.sched_getaffinity(0))
    if options.cores:
        try:
            options.cores = [int(core) for core in options.cores.split(",")]
        except ValueError:
            parser.error(f"--cores {options.cores}: expected numbers such as 0,1")
        if missing := sorted(set(options.cores) - set(allowed)):
            parser.error(f"--cores: this process may not use {missing}, only {allowed}")
    elif options.threads > len(allowed):
        parser.error(f"--threads {options.threads}: only {len(allowed)} cores at hand")
    else:
        # The last cores: the first often serves interrupts.
        options.cores = allowed[-options.threads:]
    options.all = json.loads(options.cases.read_text())
    options.chosen = [i for i, case in enumerate(options.all) if options.filter in case["name"]]
    options.chosen = options.chosen[::options.sample]
    if not options.chosen:
        parser.error(f"no case's name contains “{options.filter}”")
    if options.check:
        sys.exit(0)
    if not options.convoy or not options.peer_python:
        parser.error("is to be started by scripts/bench-peers")
    return options


def main():
    options = parse()
    cases, chosen = options.all, options.chosen
    # Convoy reads a file of the one case: its filter is by substring, which a name that is part of
    # another's would pass too.
    with tempfile.TemporaryDirectory() as folder:
        single = Path(folder) / "case.json"
        peer = Peer(options.peer_python, options.cases, options.threads, options.cores,
                    options.plain)
        convoy, torch = [[] for _ in chosen], [[] for _ in chosen]
        for repetition in range(options.repetitions):
            for position, index in enumerate(chosen):
                name = cases[index]["name"]
                print(f"{repetition + 1}/{options.repetitions} {position + 1}/{len(chosen)} {name}",
                      file=sys.stderr, flush=True)
                single.write_text(json.dumps([cases[index]]))
                convoy[position].append(measure_convoy(options, single, name))
                torch[position].append(peer.measure(index))
        peer.close()
    rows = [Row(cases[i], convoy[p], torch[p]) for p, i in enumerate(chosen)]
    version = subprocess.run([options.peer_python, "-c", "import torch; print(torch.__version__)"],
                             capture_output=True, text=True).stdout.strip()
    threads = f"{options.threads} thread" + ("s" if options.threads > 1 else "")
    report = "\n\n".join([
        f"Forward + backward, float32, {threads}, {machine()}, against "
        f"{'plain ' if options.plain else ''}PyTorch {version} "
        f"({len(rows)} of {len(cases)} cases, median of {options.repetitions}). "
        "A ratio above 1 means that Convoy is faster.",
        summary_table(rows), case_table(rows)])
    print(report)
    if options.json:
        options.json.write_text(json.dumps(
            [{"name": cases[i]["name"], "convoy": convoy[p], "torch": torch[p]}
             for p, i in enumerate(chosen)], indent=1) + "\n")
    failed = [row for row in rows if row.error]
    for row in failed:
        print(f"compare.py: {row.name}: {row.error}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
