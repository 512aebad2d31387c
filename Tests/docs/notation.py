#!/usr/bin/env python3
"""Evaluates what docs/notation.md says that expressions give, and looks for each result where the page has it.
usage: Tests/docs/notation.py PAGE        `convoy` and numpy are needed"""

import json
import subprocess
import sys
import tempfile

import numpy

A = [[0, 1, 2], [3, 4, 5]]
B = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
SQUARE = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
X, W = [1, 2, 3, 4, 5], [1, 10, 100]


def evaluate(expression, operands, rules="", *options):
    """The result as the page writes it."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{number}.npy" for number in range(len(operands))]
        for path, operand in zip(paths, operands):
            numpy.save(path, numpy.array(operand, numpy.float64))
        command = ["convoy", "contract", expression, *paths, "--out", f"{folder}/out.npy", *options]
        subprocess.run(command + (["--conv", f"x:{rules}"] if rules else []), check=True)
        result = numpy.load(f"{folder}/out.npy")
    assert (result == result.astype(int)).all()
    return json.dumps(result.astype(int).tolist(), separators=(",", ":"))


def shape(expression, *shapes):
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{number}.npy" for number in range(len(shapes))]
        for path, extents in zip(paths, shapes):
            numpy.save(path, numpy.ones(extents))
        subprocess.run(["convoy", "contract", expression, *paths, "--out", f"{folder}/out.npy"], check=True)
        return "(" + ",".join(map(str, numpy.load(f"{folder}/out.npy").shape)) + ")"


def both(rules, operands=(X, W)):
    """The results of both kinds."""
    return [evaluate("x,x->x|x", operands, f"kind={kind},{rules}".rstrip(","))
            for kind in ("convolution", "correlation")]


def claims():
    """Sentences and rows of the page, with the results put in."""
    yield f"| `ij,jk->ik` | a, b | {evaluate('ij,jk->ik', [A, B])}, the matrix product |"
    yield f"| `ij->ji` | a | {evaluate('ij->ji', [A])} |"
    yield f"| `ij->i` | a | {evaluate('ij->i', [A])}, `j` is summed |"
    yield f"| `ij,jk->` | a, b | {evaluate('ij,jk->', [A, B])}, everything is summed |"
    yield f"| `i,j->ij` | [1,2], [3,4,5] | {evaluate('i,j->ij', [[1, 2], [3, 4, 5]])}, an outer product |"
    yield f"| `,ij->ij` | 3, a | {evaluate(',ij->ij', [3, A])}, a scalar operand |"
    yield f"| `ii->i` | {json.dumps(SQUARE, separators=(',', ':'))} | {evaluate('ii->i', [SQUARE])}, the diagonal |"
    yield f"| `ii` | the same | {evaluate('ii', [SQUARE])}, the trace |"
    yield f"`...j,jk->...k` has shape {shape('...j,jk->...k', (2, 2, 3), (3, 4))};"
    yield f"`...i,...i->...` has shape {shape('...i,...i->...', (4, 1, 3), (5, 3))}."
    for padding in ("same", "valid", "full", "1:0"):
        convolution, correlation = both(f"padding={padding}")
        yield f"| `{padding}` | {convolution} | {correlation} |"
    convolution, correlation = both("", (X, [1, 10]))
    yield f"convolution pads before, {convolution}, as numpy; correlation pads after, {correlation}, as PyTorch."
    yield f"`x,x->x|x` with `stride=2` gives {evaluate('x,x->x|x', [X, W], 'stride=2')}."
    rules = "dilation=2,kind=correlation,padding=valid"
    yield f"w = [1,10] with `{rules}` gives {evaluate('x,x->x|x', [X, [1, 10]], rules)}, that is"
    for name, rules in (("nothing else", ""), ("`stride=2`", "stride=2"), ("`padding=same`", "padding=same")):
        convolution, correlation = both(f"boundary=circular,{rules}")
        yield f"| {name} | {convolution} | {correlation} |"
    yield f"`x,x->|x` gives {evaluate('x,x->|x', [X, W])}, the sum"
    yield (f"`x->x|x` with `stride=2` gives {evaluate('x->x|x', [X], 'stride=2')}, and with `stride=2,padding=1:1` "
           f"{evaluate('x->x|x', [X], 'stride=2,padding=1:1')}.")
    yield f"the result is {evaluate('xa,xb->xab|x', [[[0, 1], [2, 3]], [[0, 1, 2], [3, 4, 5]]])}."
    full = evaluate("x,x,x->x|x", [X, [1, 10], [1, 100]], "padding=full")
    yield f"With `padding=full`, [1,2,3,4,5] with filters [1,10] and [1,100] gives {full}, numpy's"
    twice = evaluate("x,x,x->x|x", [X, W, W])
    yield f"[1,2,3,4,5] with [1,10,100] twice gives ```text {twice} ```"
    assert twice == evaluate("x,x,x->x|x", [X, W, W], "", "--optimizer", "left-to-right")
    combined = evaluate("x,x->x|x", [W, W], "padding=full")
    yield f"if the two filters are first combined to {combined}."
    # The combined filter is as long as the image: the image is named.
    assert twice == evaluate("x,x->x|x", [X, json.loads(combined)], "feature=0")
    cropped = json.loads(evaluate("x,x->x|x", [X, W]))
    yield f"Two convolutions each cropped to `same` would give {evaluate('x,x->x|x', [cropped, W])}:"
    yield (f"x = [1,2,3,4,5], w = [1,10,100] with `feature=1` gives {evaluate('x,x->x|x', [X, W], 'feature=1')}, "
           "as long as")


def main():
    with open(sys.argv[1]) as file:
        page = " ".join(file.read().split())
    wrong = [claim for claim in claims() if claim not in page]
    for claim in wrong:
        print(f"{sys.argv[1]} does not say: {claim}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
