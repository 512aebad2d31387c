"""Independent answers for Convoy's tests, from numpy and, where it is installed, PyTorch.

    python3 oracle.py modules          prints which of numpy and torch can be imported
    python3 oracle.py solve FOLDER     reads FOLDER/cases.json and FOLDER/operands.bin,
                                       writes FOLDER/results.json and FOLDER/results.bin
    python3 oracle.py gradients FILE   reads FILE, a JSON list of runs of `convoy contract`, and compares
                                       the files that each wrote with `adjoint`, element by element

cases.json is a list of {"check", "text", "shapes", "options"}; operands.bin holds the elements of all
operands of all cases one after the other, as little-endian float64 in C order. results.json is the list
of the results' shapes, case after case, and results.bin their elements. The checks:

    einsum    numpy.einsum. A convolution mode becomes a tensor of zeros and ones that says which index
              of the feature meets which taps (design.md, section 2). One result.
    adjoint   the definition in plain loops over all index sets: of every product of one element per
              operand what it adds to the result, and to each operand's gradient, the last operand being
              the gradient of the result. Results: Y, and the gradient of each operand.
    convolve  numpy.convolve of two vectors in the mode that the padding names. One result.
    conv2d    torch.nn.functional.conv2d of X (batch, group, input channel, height, width) and
              W (group, output channel, input channel, height, width), the last operand being the
              gradient of the result. Three results: Y, and by autograd the gradients of X and W.

Nothing here knows Convoy's code: texts and options are parsed again.
"""

import importlib
import itertools
import json
import math
import pathlib
import re
import string
import sys
import warnings


def parse_options(options):
    """The values of --conv as {mode: {key: value}}; '*' is what all modes' rules build upon."""
    rules = {}
    for option in options:
        mode, _, items = option.partition(":")
        rules[mode] = dict(item.split("=") for item in items.split(","))
    return rules


def rule_of(mode, rules):
    rule = rules.get("*", {}) | rules.get(mode, {})
    return {key: value for key, value in rule.items() if value not in ("default", "largest")}


def geometry(rule, feature_extent, filter_extents):
    """(low, high, stride, dilation, reach) of a convolution mode."""
    stride, dilation = int(rule.get("stride", 1)), int(rule.get("dilation", 1))
    reach = sum(dilation * (extent - 1) for extent in filter_extents)
    correlation = rule.get("kind", "convolution") == "correlation"
    circular = rule.get("boundary", "zero") == "circular"
    padding = rule.get("padding", "wrap" if circular else "same")
    smaller, larger = reach // 2, reach - reach // 2
    low, high = {
        "same": (smaller, larger) if correlation else (larger, smaller),
        "wrap": (0, reach) if correlation else (reach, 0),
        "valid": (0, 0),
        "full": (reach, reach),
    }.get(padding) or map(int, padding.split(":"))
    return low, high, stride, dilation, reach


def indicator(numpy, rule, feature_extent, filter_extents):
    """1 where output index i with taps k_1, k_2, ... reads index p of the feature: [i, p, k_1, ...]."""
    low, high, stride, dilation, reach = geometry(rule, feature_extent, filter_extents)
    n = (feature_extent + low + high - reach - 1) // stride + 1
    correlation = rule.get("kind", "convolution") == "correlation"
    meets = numpy.zeros([n, feature_extent, *filter_extents])
    for i in range(n):
        for taps in itertools.product(*map(range, filter_extents)):
            shift = dilation * sum(taps)
            p = i * stride - low + (shift if correlation else reach - shift)
            if rule.get("boundary") == "circular":
                p %= feature_extent
            if 0 <= p < feature_extent:
                meets[(i, p, *taps)] = 1
    return meets


def parse(text):
    """The modes of the inputs, of the output, and those of convolution."""
    expression, _, convolutions = text.replace(" ", "").partition("|")
    token = re.compile(r"\.\.\.|\([^)]*\)|[A-Za-z]")
    split = lambda term: [item.strip("()") for item in token.findall(term)]
    inputs, arrow, output = expression.partition("->")
    inputs = [split(term) for term in inputs.split(",")]
    convolutions = split(convolutions)
    if arrow:
        output = split(output)
    else:
        everything = [mode for term in inputs for mode in term if mode != "..."]
        output = {mode for mode in everything if everything.count(mode) == 1} | set(convolutions)
        output = ["..."] * any("..." in term for term in inputs) + sorted(output)
    return inputs, output, convolutions


def adjoint(numpy, case, operands):
    *operands, gradient = operands
    inputs, output, convolutions = parse(case["text"])
    rules = parse_options(case["options"])
    # A loop per index of the definition: a mode, or of a convolution the result's index i and the taps k.
    loops, features = {}, {}
    for mode in sorted({mode for term in inputs for mode in term}):
        extents = {
            number: operand.shape[term.index(mode)]
            for number, (term, operand) in enumerate(zip(inputs, operands)) if mode in term}
        if mode not in convolutions:
            loops[mode] = min(extents.values())
            continue
        rule = rule_of(mode, rules)
        feature = int(rule.get("feature", max(extents, key=lambda j: (extents[j], -j))))
        filters = [number for number in extents if number != feature]
        shape = geometry(rule, extents[feature], [extents[number] for number in filters])
        low, high, stride, _, reach = shape
        loops[mode] = (extents[feature] + low + high - reach - 1) // stride + 1
        loops.update({(mode, number): extents[number] for number in filters})
        features[mode] = (feature, extents[feature], filters, rule, shape)

    def position(mode, at):
        """Where the feature is read; None outside it."""
        _, extent, filters, rule, (low, _, stride, dilation, reach) = features[mode]
        shift = dilation * sum(at[mode, number] for number in filters)
        if rule.get("kind", "convolution") != "correlation":
            shift = reach - shift
        place = at[mode] * stride - low + shift
        if rule.get("boundary") == "circular":
            return place % extent
        return place if 0 <= place < extent else None

    result = numpy.zeros([loops[mode] for mode in output])
    gradients = [numpy.zeros(operand.shape) for operand in operands]
    for values in itertools.product(*map(range, loops.values())):
        at = dict(zip(loops, values))
        read = {mode: position(mode, at) for mode in features}
        if None in read.values():
            continue
        places = [
            tuple(
                at[mode] if mode not in features
                else read[mode] if features[mode][0] == number
                else at[mode, number]
                for mode in term)
            for number, term in enumerate(inputs)]
        terms = [operand[place] for operand, place in zip(operands, places)]
        end = tuple(at[mode] for mode in output)
        result[end] += math.prod(terms)
        for number, place in enumerate(places):
            gradients[number][place] += gradient[end] * math.prod(
                terms[:number] + terms[number + 1 :])
    return [result, *gradients]


def einsum(numpy, case, operands):
    inputs, output, convolutions = parse(case["text"])
    rules = parse_options(case["options"])
    inputs, operands = [list(term) for term in inputs], list(operands)
    for mode in convolutions:
        rule = rule_of(mode, rules)
        # '...' stands for the dimensions that are left; a mode after it is counted from the right.
        extents = {}
        for number, (term, operand) in enumerate(zip(inputs, operands)):
            if mode in term:
                place = term.index(mode)
                if "..." in term[:place]:
                    place -= len(term)
                extents[number] = operand.shape[place]
        feature = int(rule.get("feature", max(extents, key=lambda j: (extents[j], -j))))
        filters = [number for number in extents if number != feature]
        operands.append(
            indicator(numpy, rule, extents[feature], [extents[number] for number in filters]))
        inputs.append([mode] + [f"{mode} in {number}" for number in [feature, *filters]])
        for number in extents:
            inputs[number][inputs[number].index(mode)] = f"{mode} in {number}"

    names = sorted({mode for term in inputs for mode in term} - {"..."})
    letters = dict(zip(names, string.ascii_letters)) | {"...": "..."}
    write = lambda term: "".join(letters[mode] for mode in term)
    return [numpy.einsum(",".join(map(write, inputs)) + "->" + write(output), *operands)]


def convolve(numpy, case, operands):
    rule = rule_of("x", parse_options(case["options"]))
    return [numpy.convolve(*operands, mode=rule.get("padding", "same"))]


def conv2d(numpy, case, operands):
    torch = importlib.import_module("torch")
    functional = torch.nn.functional
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # padding='same' of an even kernel copies its input
    rules = parse_options(case["options"])
    x, w, gradient = (torch.tensor(operand) for operand in operands)
    x.requires_grad_()
    w.requires_grad_()
    batch, groups, channels, *image = x.shape
    kernel = w.shape[3:]
    padded, strides, dilations, shapes = x, [], [], []
    for axis, mode in enumerate("hw"):
        rule = rule_of(mode, rules)
        low, high, stride, dilation, _ = geometry(rule, image[axis], [kernel[axis]])
        widths = [0, 0, 0, 0]
        widths[2 - 2 * axis : 4 - 2 * axis] = low, high
        circular = rule.get("boundary") == "circular"
        flat = padded.reshape(batch, groups * channels, *padded.shape[3:])
        flat = functional.pad(flat, widths, mode="circular" if circular else "constant")
        padded = flat.reshape(batch, groups, channels, *flat.shape[2:])
        strides, dilations = [*strides, stride], [*dilations, dilation]
    arguments = dict(stride=strides, dilation=dilations, groups=groups)
    weights = w.reshape(-1, *w.shape[2:])
    y = functional.conv2d(padded.flatten(1, 2), weights, **arguments)
    named = {rule_of(mode, rules).get("padding") for mode in "hw"}
    plain = all(rule_of(mode, rules).get("boundary") != "circular" for mode in "hw")
    if plain and named in ({"same"}, {"valid"}) and (named == {"valid"} or strides == [1, 1]):
        # PyTorch's own reading of these words.
        y = functional.conv2d(x.flatten(1, 2), weights, padding=named.pop(), **arguments)
    y = y.reshape(batch, groups, -1, *y.shape[2:])
    y.backward(gradient)
    return [tensor.detach().numpy() for tensor in (y, x.grad, w.grad)]


def modules():
    for name in ("numpy", "torch"):
        try:
            importlib.import_module(name)
            print(name)
        except ImportError:
            pass


def solve(folder):
    numpy = importlib.import_module("numpy")
    checks = {"einsum": einsum, "adjoint": adjoint, "convolve": convolve, "conv2d": conv2d}
    elements = numpy.fromfile(folder / "operands.bin", dtype="<f8")
    start, shapes, results = 0, [], []
    for case in json.loads((folder / "cases.json").read_text()):
        operands = []
        for shape in case["shapes"]:
            count = int(numpy.prod(shape, dtype=int))
            operands.append(elements[start : start + count].reshape(shape))
            start += count
        answers = [numpy.asarray(answer) for answer in checks[case["check"]](numpy, case, operands)]
        shapes.append([list(answer.shape) for answer in answers])
        results.extend(answer.astype("<f8").ravel() for answer in answers)
    (folder / "results.json").write_text(json.dumps(shapes))
    numpy.concatenate([*results, numpy.zeros(0)]).tofile(folder / "results.bin")


def compare(file):
    """Each run: text, options, operands, resultGradient, and the files written: result, gradients."""
    numpy = importlib.import_module("numpy")
    folder = file.parent
    for run in json.loads(file.read_text()):
        names = [*run["operands"], run["resultGradient"]]
        given = [numpy.load(folder / name) for name in names]
        answers = adjoint(numpy, run, [array.astype("float64") for array in given])
        written = [run["result"], *run["gradients"]]
        for name, answer, like in zip(written, answers, [given[-1], *given[:-1]], strict=True):
            found = numpy.load(folder / name)
            assert found.dtype == like.dtype, f"{run}: {name} holds {found.dtype}"
            assert found.shape == like.shape, f"{run}: {name} has shape {found.shape}"
            assert numpy.array_equal(found, answer), f"{run}: {name} is {found}, expected {answer}"
    print("equal")


if __name__ == "__main__":
    if sys.argv[1] == "modules":
        modules()
    elif sys.argv[1] == "gradients":
        compare(pathlib.Path(sys.argv[2]))
    else:
        solve(pathlib.Path(sys.argv[2]))
