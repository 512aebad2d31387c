"""PyTorch on the layer cases of `convoy bench layers`: forward and backward (the gradients of every
operand, for one fixed gradient of the output), float32, in each way a PyTorch user would write it.

One JSON line per case: name, milliseconds (of the fastest way), method (its name), methods (ms of
each) and, where it applies, skipped (why a way was not run) and rejected (wrong results).
With --serve it says that it is ready; then the indices of cases are read from standard input, one line
each, and answered at once.
"""

import argparse
import ctypes
import json
import math
import re
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Callable

import opt_einsum
import torch
import torch.nn.functional as F

# Modes of the equations below: n batch; a b c the parts of t; x y z the parts of s; i j k the ranks
# r1 r2 r3 and p the rank r0; h w the image or the taps of the kernel.
# Each form: the factors as they stand in the case, to the kernel T×S×Kh×Kw.
KERNELS = {
    "DENSE": "tshw->tshw",
    "CP": "it,is,ih,iw->tshw",
    "TK": "it,js,ijhw->tshw",
    "TT": "it,ijh,jkw,ks->tshw",
    "TR": "pit,ijh,jkw,kps->tshw",
    "RCP": "iax,iby,icz,ihw->abcxyzhw",
    "RTT": "iax,ijby,jkcz,khw->abcxyzhw",
    "RTR": "piax,ijby,jkcz,kphw->abcxyzhw",
    "RTK": "iax,jby,kcz,phw,pijk->abcxyzhw",
}
# Reshaped forms, cut in two: the first two factors, and the others with the taps.
HEADS = {"RCP": "iax,iby->abixy", "RTT": "iax,ijby->abjxy", "RTR": "piax,ijby->abpjxy",
         "RTK": "iax,jby->abijxy"}
TAILS = {"RCP": "icz,ihw->cizhw", "RTT": "jkcz,khw->cjzhw", "RTR": "jkcz,kphw->cpjzhw",
         "RTK": "kcz,phw,pijk->cijzhw"}

LIBC = ctypes.CDLL(None)

MEMORY_LIMIT = 8 * 2**30  # bytes of one way's intermediates
SECONDS_LIMIT = 20.0  # of one run, as estimated before it
SINGLE_RUN_SECONDS = 10.0  # a run this long is not repeated
TOLERANCE = 1e-3  # relative, in the Frobenius norm, of the output and of each gradient


@dataclass
class Way:
    """One way to compute a layer: `run` maps the operands to the output (n, t, h, w)."""

    name: str
    run: Callable
    channels_last: bool = False
    # Of the forward pass, where they can be large: multiply-adds, and elements of intermediates.
    macs: float = 0.0
    elements: float = 0.0
    slow_macs: float = 0.0  # those of depthwise convolutions, which run far below the peak


def keep_memory():
    """Has glibc keep freed memory, as jemalloc does, which PyTorch's tuning guide advises: to fetch
    large tensors from the kernel anew in each run can take more than half of the time."""
    if hasattr(LIBC, "mallopt"):
        LIBC.mallopt(-4, 0)  # M_MMAP_MAX: no mapping per tensor
        LIBC.mallopt(-1, -1)  # M_TRIM_THRESHOLD: never


def factor_modes(expression):
    """The modes of each operand but the first, numbered as they appear: what tells forms apart."""
    seen = {}
    terms = expression.split("->")[0].split(",")[1:]
    return [[seen.setdefault(mode, len(seen)) for mode in re.findall(r"\(\w+\)|\w", term)]
            for term in terms]


def contraction(equation, *shapes):
    """opt_einsum's contraction with its path found once, outside what is timed."""
    if len(shapes) == 1:
        return lambda factor: factor
    return opt_einsum.contract_expression(equation, *shapes, optimize="optimal")


def pointwise(x, weight):
    """A 1×1 convolution; `weight` is (out, in)."""
    return F.conv2d(x, weight[:, :, None, None])


def tapped(x, weight, groups=1):
    return F.conv2d(x, weight, padding="same", groups=groups)


def multiply(weight, z):
    """(m, k) times each of the matrices z (B, k, …), as (B, m, …)."""
    # bmm is faster here than a 1×1 convolution, matmul or einsum.
    y = torch.bmm(weight.expand(z.shape[0], *weight.shape), z.reshape(*z.shape[:2], -1))
    return y.reshape(z.shape[0], weight.shape[0], *z.shape[2:])


# The forms in their own modes.


def ways_cp(shapes):
    rank = shapes[1][0]

    def separable(x, t, s, h, w):
        y = pointwise(x, s)
        y = tapped(y, h[:, None, :, None], groups=rank)
        y = tapped(y, w[:, None, None, :], groups=rank)
        return pointwise(y, t.t())

    def depthwise(x, t, s, h, w):
        y = tapped(pointwise(x, s), (h[:, :, None] * w[:, None, :])[:, None], groups=rank)
        return pointwise(y, t.t())

    return [Way("factorized", separable), Way("factorized, taps joined", depthwise)]


def ways_tk(shapes):
    def chain(x, t, s, core):
        return pointwise(tapped(pointwise(x, s), core), t.t())

    return [Way("factorized", chain)]


def ways_tt(shapes):
    def chain(x, t, h, w, s):
        y = tapped(pointwise(x, s), w[:, :, None, :])
        return pointwise(tapped(y, h[:, :, :, None]), t.t())

    def joined(x, t, h, w, s):
        return pointwise(tapped(pointwise(x, s), core(h, w)), t.t())

    core = contraction("ijh,jkw->ikhw", *shapes[2:4])
    return [Way("factorized", chain), Way("factorized, taps joined", joined)]


def ways_tr(shapes):
    ring, first = shapes[1][:2]
    last = shapes[4][0]

    def enter(x, s):
        # kps: the ring's rank p joins the batch.
        y = pointwise(x, s.transpose(0, 1).reshape(ring * last, -1))
        return y.reshape(-1, last, *x.shape[2:])

    def leave(y, t, x):
        y = y.reshape(x.shape[0], ring * first, *x.shape[2:])
        return pointwise(y, t.reshape(ring * first, -1).t())

    def chain(x, t, h, w, s):
        y = tapped(enter(x, s), w[:, :, None, :])
        return leave(tapped(y, h[:, :, :, None]), t, x)

    def joined(x, t, h, w, s):
        return leave(tapped(enter(x, s), core(h, w)), t, x)

    core = contraction("ijh,jkw->ikhw", *shapes[2:4])
    return [Way("factorized", chain), Way("factorized, taps joined", joined)]


# The reshaped forms. All start from x (n, s, h, w) seen as (n, x, y, z, h, w).


def ways_reshaped(form, shapes):
    n, s1, s2, s3, height, width = shapes[0]
    t1, t2, t3 = (shapes[m][-2] for m in (1, 2, 3))
    ring = shapes[1][0] if form == "RTR" else 1
    rank1, rank2, rank3 = (
        (shapes[1][0],) * 3 if form == "RCP"
        else (shapes[1][-3], shapes[2][-3], shapes[3][-3]))
    kh, kw = shapes[4][-2:]
    # The ranks open between the second factor and the third.
    inner = {"RCP": rank1, "RTT": rank2, "RTR": ring * rank2, "RTK": rank1 * rank2}[form]
    pixels = n * height * width
    head = contraction(HEADS[form], *shapes[1:3])
    tail = contraction(TAILS[form], *shapes[3:])

    def first(x, k1):
        """(n·a[·p], i, y, z, h, w): the factor of a and x applied."""
        weight = k1.movedim(-2, 0)  # a, ranks, x
        y = multiply(weight.reshape(-1, s1), x.reshape(n, s1, s2, s3, height, width))
        return y.reshape(n * t1 * ring, rank1, s2, s3, height, width)

    def second(y, k2):
        """(n·a·b, ranks, z, h, w): the factor of b and y applied."""
        if form == "RCP":
            y = y.reshape(n, t1, rank1, s2, s3, height, width)
            y = torch.einsum("naiyzhw,iby->nabizhw", y, k2)
        elif form == "RTK":
            y = y.reshape(n * t1 * rank1, s2, s3, height, width)
            y = multiply(k2.movedim(-2, 0).reshape(-1, s2), y)
            y = y.reshape(n * t1, rank1, t2, rank2, s3, height, width).transpose(1, 2)
        else:  # ijby to (b j), (i y)
            y = y.reshape(n * t1 * ring, rank1 * s2, s3, height, width)
            y = multiply(k2.permute(2, 1, 0, 3).reshape(t2 * rank2, rank1 * s2), y)
            y = y.reshape(n * t1, ring, t2, rank2, s3, height, width).transpose(1, 2)
        return y.reshape(n * t1 * t2, inner * s3, height, width)

    def output(y):
        return y.reshape(n, t1 * t2 * t3, height, width)

    def chain(x, k1, k2, k3, taps, core=None):
        y = second(first(x, k1), k2)
        if form == "RCP":  # taps along each rank, then the last factor sums over the ranks
            y = tapped(y, taps.repeat_interleave(s3, 0)[:, None], groups=inner * s3)
            return output(pointwise(y, k3.permute(1, 0, 2).reshape(t3, inner * s3)))
        if form == "RTT":  # jkcz to (c k), (j z)
            y = multiply(k3.permute(2, 1, 0, 3).reshape(t3 * rank3, inner * s3), y)
        elif form == "RTR":
            y = y.reshape(n * t1 * t2 * ring, rank2 * s3, height, width)
            y = multiply(k3.permute(2, 1, 0, 3).reshape(t3 * rank3, rank2 * s3), y)
            y = y.reshape(n * t1 * t2, ring, t3, rank3, height, width).transpose(1, 2)
            taps = taps.transpose(0, 1)  # p before k
        else:
            y = multiply(torch.einsum("kcz,pijk->cpijz", k3, core).reshape(-1, inner * s3), y)
        taps = taps.reshape(1, -1, kh, kw)
        return output(tapped(y.reshape(n * t1 * t2 * t3, -1, height, width), taps))

    def joined(x, k1, k2, *others):
        return output(tapped(second(first(x, k1), k2),
                             tail(*others).reshape(t3, inner * s3, kh, kw)))

    def halves(x, k1, k2, *others):
        y = multiply(head(k1, k2).reshape(-1, s1 * s2), x.reshape(n, s1 * s2, s3, height, width))
        y = y.reshape(n * t1 * t2, inner * s3, height, width)
        return output(tapped(y, tail(*others).reshape(t3, inner * s3, kh, kw)))

    # What each way multiplies and writes, for one forward pass.
    opened = pixels * t1 * ring * rank1 * s2 * s3
    closed = pixels * t1 * t2 * inner * s3
    steps = opened * s1 + closed * s2 * (rank1 if form in ("RTT", "RTR") else 1)
    join = closed * t3 * kh * kw
    if form == "RCP":
        last, slow, plain = 0, closed * kh * kw, closed * t3
    else:
        ends = {"RTT": rank3, "RTR": ring * rank3, "RTK": shapes[4][0]}[form]
        last, slow = pixels * t1 * t2 * t3 * ends, pixels * t1 * t2 * t3 * ends * kh * kw
        plain = last * {"RTT": inner, "RTR": rank2, "RTK": inner}[form] * s3
    copies = 1 if form == "RTT" else 2  # of the second step, where ranks move past t2
    return [
        Way("factorized, in halves", halves, macs=closed * s1 * s2 + join, elements=closed),
        Way("factorized, taps joined", joined, macs=steps + join,
            elements=opened + copies * closed),
        Way("factorized", chain, macs=steps + plain, slow_macs=slow,
            elements=opened + copies * closed + (closed if form == "RCP" else 2 * last)),
    ]


def ways_of(form, shapes):
    """All ways for a case: rebuilding the kernel first, the reference of the others."""
    kernel = contraction(KERNELS[form], *shapes[1:])
    s = math.prod(shapes[0][1:-2])
    # The taps: h and w of one factor, or the ends of two.
    taps = {"CP": (3, 4), "TT": (2, 3), "TR": (2, 3)}.get(form)
    if taps:
        kh, kw = (shapes[m][-1] for m in taps)
    else:
        kh, kw = shapes[{"DENSE": 1, "TK": 3}.get(form, 4)][-2:]

    def rebuilt(x, *factors):
        return tapped(x, kernel(*factors).reshape(-1, s, kh, kw))

    def last(way):
        return Way(way.name + ", channels last", way.run, channels_last=True)

    first = Way("dense" if form == "DENSE" else "reconstruct", rebuilt)
    ways = [first, last(first)]
    if form in ("CP", "TK", "TT"):  # the image stays four-dimensional throughout
        for way in {"CP": ways_cp, "TK": ways_tk, "TT": ways_tt}[form](shapes):
            ways += [way, last(way)]
    elif form == "TR":
        ways += ways_tr(shapes)
    elif form in HEADS:
        ways += ways_reshaped(form, shapes)
    return ways


def obstacle(way, threads, best):
    """Why a way is not run, or None. `best` is the fastest way's time so far, in seconds."""
    # Forward keeps the intermediates, backward makes as many gradients.
    if 2 * 4 * way.elements > MEMORY_LIMIT:
        return f"about {2 * 4 * way.elements / 2**30:.1f} GiB of intermediates"
    # Backward costs two forward passes; each intermediate is read and written about three times.
    work, slow, traffic = 6 * way.macs, 6 * way.slow_macs, 6 * 4 * way.elements
    likely = (work / 30e9 + slow / 3e9) / threads + traffic / 5e9
    if likely > SECONDS_LIMIT:
        return f"about {likely:.0f} s per run"
    least = (work / 300e9 + slow / 30e9) / threads + traffic / 40e9
    if least > 2 * best:
        return f"at least {least * 1e3:.0f} ms per run: cannot be the fastest"
    return None


def deviation(result, reference):
    return max(((a - b).norm() / b.norm().clamp_min(1e-30)).item()
               for a, b in zip(result, reference))


# What most users would write: see --plain.
PLAIN = ("dense", "reconstruct", "factorized")


def measure(case, threads, repetitions, seconds, plain=False):
    form, shapes = case["form"], [tuple(shape) for shape in case["shapes"]]
    if form not in KERNELS:
        raise ValueError(f"unknown form {form}")
    if factor_modes(case["expression"]) != factor_modes("x," + KERNELS[form]):
        raise ValueError(f"not the expression of {form} here: {case['expression']}")
    if case["conv"] != "*:kind=correlation,padding=same":
        raise ValueError(f"only correlation with padding=same has a PyTorch peer: {case['conv']}")
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=generator)

    n, height, width = shapes[0][0], *shapes[0][-2:]
    image = random(n, math.prod(shapes[0][1:-2]), height, width)
    factors = [random(*shape).requires_grad_() for shape in shapes[1:]]
    ways = [way for way in ways_of(form, shapes)
            if not plain or way.name in PLAIN and not way.channels_last]
    gradient, reference = None, None
    best, times, skipped, rejected = math.inf, {}, {}, {}
    for way in ways:
        reason = obstacle(way, threads, best)
        if reason:
            skipped[way.name] = reason
            continue
        layout = torch.channels_last if way.channels_last else torch.contiguous_format
        operands = [image.detach().clone(memory_format=layout).requires_grad_(), *factors]
        if gradient is None:
            with torch.no_grad():
                gradient = random(*way.run(*operands).shape)
        given = gradient.contiguous(memory_format=layout)

        def run():
            y = way.run(*operands)
            return [y, *torch.autograd.grad(y, operands, given)]

        def timed():
            start = time.perf_counter()
            result = run()
            return time.perf_counter() - start, result

        elapsed, result = timed()  # the warm-up, and what is verified
        result = [value.detach() for value in result]
        if reference is None:
            reference = result
        elif (error := deviation(result, reference)) > TOLERANCE:
            rejected[way.name] = f"differs from reconstruct by {error:.1e}"
            continue
        del result
        # Far behind the fastest, or very long: the one run has to do.
        runs = [elapsed] if elapsed > min(SINGLE_RUN_SECONDS, 3 * best) else []
        while not runs or len(runs) < repetitions or sum(runs) < seconds:
            if runs and (runs[0] > SINGLE_RUN_SECONDS or runs[0] > 3 * best):
                break
            runs.append(timed()[0])
        times[way.name] = statistics.median(runs)
        best = min(best, times[way.name])
    method = min(times, key=times.get)
    answer = {"name": case["name"], "milliseconds": round(times[method] * 1e3, 4),
              "method": method, "methods": {k: round(v * 1e3, 4) for k, v in times.items()}}
    if skipped:
        answer["skipped"] = skipped
    if rejected:
        answer["rejected"] = rejected
    return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", required=True, help="JSON list of cases")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--filter", default="", help="only the cases whose name contains this")
    parser.add_argument("--index", type=int, help="only this case, counted from 0")
    parser.add_argument("--repetitions", type=int, default=3, help="runs of each way, at least")
    parser.add_argument("--seconds", type=float, default=1.0, help="repeat each way this long")
    parser.add_argument("--default-allocator", action="store_true",
                        help="let glibc return the memory of large tensors after each run")
    parser.add_argument("--plain", action="store_true",
                        help="only the kernel rebuilt and the factors one by one, channels first, "
                        "with the default allocator")
    parser.add_argument("--serve", action="store_true",
                        help="say that it is ready, then read indices from standard input")
    options = parser.parse_args()
    if not options.default_allocator and not options.plain:
        keep_memory()
    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    with open(options.cases) as file:
        cases = json.load(file)

    def answer(index):
        try:
            result = measure(
                cases[index], options.threads, options.repetitions, options.seconds,
                options.plain)
        except Exception as error:  # the next case may well work
            name = cases[index]["name"] if 0 <= index < len(cases) else None
            result = {"name": name, "error": f"{type(error).__name__}: {error}"}
        if hasattr(LIBC, "malloc_trim"):
            LIBC.malloc_trim(0)  # the next case, and whoever runs in between, start alike
        print(json.dumps(result), flush=True)

    if options.serve:
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            if line.strip():
                answer(int(line))
        return
    for index, case in enumerate(cases):
        if options.index in (None, index) and options.filter in case["name"]:
            answer(index)


if __name__ == "__main__":
    main()
