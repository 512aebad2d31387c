"""Trains the demo network of `convoy train` with PyTorch on the CPU, on made-up images of Fashion-MNIST's
shape, and prints images per second, all processes together:
  torch_train.py FORM COMPRESSION THREADS [PROCESSES]      FORM: CP, TK or DENSE

Several processes are data parallel over gloo. The batch is 128, theirs together; four steps warm up, ten
are timed. The factors of CP and TK are layers of their own, as most would write them.
"""

import argparse
import math
import os
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn import functional as F

BATCH, WARM_UP, STEPS = 128, 4, 10


def cp(inputs, outputs, compression):
    """Ranks as in Convoy: the most parameters that `compression` of the dense ones allow."""
    rank = max(1, int(compression * 9 * inputs * outputs / (inputs + outputs + 6)))
    return nn.Sequential(
        nn.Conv2d(inputs, rank, 1, bias=False),
        nn.Conv2d(rank, rank, (3, 1), padding=(1, 0), groups=rank, bias=False),
        nn.Conv2d(rank, rank, (1, 3), padding=(0, 1), groups=rank, bias=False),
        nn.Conv2d(rank, outputs, 1, bias=False))


def tk(inputs, outputs, compression):
    """9 R² + (S + T) R is at most `compression` of 9 S T."""
    linear = inputs + outputs
    root = math.sqrt(linear ** 2 + 4 * 9 * compression * 9 * inputs * outputs)
    rank = max(1, int((root - linear) / (2 * 9)))
    return nn.Sequential(
        nn.Conv2d(inputs, rank, 1, bias=False),
        nn.Conv2d(rank, rank, 3, padding=1, bias=False),
        nn.Conv2d(rank, outputs, 1, bias=False))


def dense(inputs, outputs, compression):
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


FORMS = {"CP": cp, "TK": tk, "DENSE": dense}


def network(form, compression):
    def block(inputs, outputs, make=FORMS[form]):
        return [make(inputs, outputs, compression), nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *block(1, 32, dense), *block(32, 64), nn.MaxPool2d(2), *block(64, 128), nn.MaxPool2d(2),
        *block(128, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def run(rank, options):
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = network(options.form, options.compression)
    if options.processes > 1:
        dist.init_process_group("gloo", rank=rank, world_size=options.processes)
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    share = BATCH // options.processes
    images, labels = torch.randn(share, 1, 28, 28), torch.randint(0, 10, (share,))
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            start = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    rate = STEPS * share * options.processes / (time.perf_counter() - start)
    if rank == 0:
        print(f"{options.form}, compression {options.compression}, {options.processes} processes of "
              f"{options.threads} threads, images/s: {rate:.0f}", flush=True)
    if options.processes > 1:
        dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(
        prog="torch_train.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", choices=FORMS, metavar="FORM")
    parser.add_argument("compression", type=float, metavar="COMPRESSION")
    parser.add_argument("threads", type=int, metavar="THREADS")
    parser.add_argument("processes", type=int, nargs="?", default=1, metavar="PROCESSES")
    options = parser.parse_args()
    if options.processes == 1:
        run(0, options)
    else:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29533")
        mp.spawn(run, (options,), nprocs=options.processes)


if __name__ == "__main__":
    main()
