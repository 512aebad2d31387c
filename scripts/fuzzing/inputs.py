"""Inputs of every kind: valid ones, made here, and what is done to them."""

import gzip
import json
import os
import struct
import zlib

from fuzzing.changes import NUMBERS, TEXTS, changed_bytes, changed_text, changed_value


class Case:
    """What is run, in a folder of its own."""

    def __init__(self, kind):
        self.kind = kind
        self.files = {}  # name -> bytes, or a special: ("fifo",), ("folder",), ("link", to), ("sparse", bytes, size)
        self.arguments = []
        self.outputs = set()  # names that may be there afterwards, if the exit code is 0
        self.may_leave = set()  # names (with all below) that may be there whatever the exit code is


def write(case, folder):
    for name, content in case.files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(content, bytes):
            with open(path, "wb") as file:
                file.write(content)
        elif content[0] == "fifo":
            os.mkfifo(path)
        elif content[0] == "folder":
            os.mkdir(path)
        elif content[0] == "link":
            os.symlink(os.path.basename(path) if content[1] == "itself" else content[1], path)
        elif content[0] == "sparse":
            with open(path, "wb") as file:
                file.write(content[1])
                file.truncate(content[2])


def npy(shape, dtype="<f4", fortran=False, version=1):
    text = "{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }" % (
        dtype, fortran, "".join("%d, " % n for n in shape))
    size = 10 if version == 1 else 12
    text += " " * (-(size + len(text) + 1) % 64) + "\n"
    count = 1
    for extent in shape:
        count *= extent
    kind = dtype[0] + ("f" if dtype[2] == "4" else "d")
    data = b"".join(struct.pack(kind, (i % 17) / 4 - 2) for i in range(count))
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + data


def idx(shape, data):
    return bytes([0, 0, 8, len(shape)]) + b"".join(struct.pack(">I", n) for n in shape) + data


def data_set(packed):
    files = {}
    for part, count in (("train", 12), ("t10k", 6)):
        labels = bytes(i % 3 for i in range(count))
        images = b"".join(bytes(255 if p // 8 == label else p for p in range(64)) for label in labels)
        for name, content in (("images-idx3", idx([count, 8, 8], images)), ("labels-idx1", idx([count], labels))):
            name = f"data/{part}-{name}-ubyte"
            files[name + ".gz" if packed else name] = gzip.compress(content, mtime=0) if packed else content
    return files


CONFIGURATION = """\
seed: 5
output: run
data: {kind: synthetic, trainingSamples: 32, testSamples: 8, height: 8, width: 8, classes: 3}
model: {form: cp, compression: 0.1}
training:
  epochs: 1
  batchSize: 16
  schedule: cosine
  warmUpEpochs: &few 0.5
  checkpointSteps: 1
  memory: 1GiB
optimizer: {kind: adam, learningRate: 0.01, weightDecay: *few}
"""
# Whatever else the file says, a run is short.
SMALL = ["data.trainingSamples=16", "data.testSamples=4", "data.height=8", "data.width=8", "data.channels=1",
         "data.classes=3", "training.epochs=1", "training.maxSteps=1", "output=run"]

MACHINE = {"name": "m", "flopsPerSecond": 8e10, "memoryBytesPerSecond": 2e10,
           "insideNode": {"latencySeconds": 1e-6, "bytesPerSecond": 5e9},
           "betweenNodes": {"latencySeconds": 2e-5, "bytesPerSecond": 1.25e9}, "ranksPerNode": 16,
           "threadsPerRank": 1}

CASES = [{"name": "CP", "form": "CP", "expression": "bshw,rt,rs,rh,rw->bthw|hw",
          "conv": "*:kind=correlation,padding=same", "weak": "b",
          "shapes": [[2, 4, 6, 6], [3, 5], [3, 4], [3, 3], [3, 3]]},
         {"name": "product", "expression": "ij,jk->ik", "shapes": [[5, 6], [6, 7]]}]

EXPRESSIONS = [
    ("ij,jk->ik", [[2, 3], [3, 4]], []), ("iij->j", [[3, 3, 4]], []), ("ij,j->", [[2, 3], [3]], []),
    ("bshw,tshw->bthw|hw", [[2, 3, 6, 6], [4, 3, 3, 3]], ["*:kind=correlation,stride=2,padding=1:1"]),
    ("h,h|h", [[9], [3]], ["h:boundary=circular,padding=wrap"]), ("...ij,jk->...ik", [[2, 2, 3], [3, 4]], []),
    ("(b1)h,h,h->(b1)h|h", [[2, 8], [3], [2]], ["h:dilation=2,feature=0"]), ("a,b,c->abc", [[2], [3], [4]], []),
    ("b(s1)(s2)h,r(t1)(s1),r(t2)(s2),rh->b(t1)(t2)h|h", [[2, 2, 3, 6], [2, 3, 2], [2, 2, 3], [2, 3]],
     ["h:padding=full"]), (",->", [[], []], [])]

OPTIONS = {
    "plan": ["--shape", "--conv", "--optimizer", "--training", "--seed", "--ranks", "--memory", "--objective",
             "--machine", "--cost", "--dtype", "--json", "--svg", "--help", "--version"],
    "contract": ["--conv", "--optimizer", "--training", "--seed", "--ranks", "--memory", "--objective", "--machine",
                 "--threads", "--report", "--trace", "--timeout", "--out"],
    "bench": ["--shape", "--seconds", "--filter", "--double", "--json", "--sizes", "--repetitions", "--operation",
              "--cases", "--kind", "--threads"]}
WORDS = ["auto", "optimal", "greedy", "left-to-right", "time", "bytes", "macs", "true", "paper", "float32", "float64",
         "1KiB", "2GiB", "1e30TB", "-1GiB", "exchange", "all-reduce", "8,16", "8,8,8", "1,1,1", "strong", "weak",
         "h:stride=2", "*:padding=full", "h:padding=9223372036854775807:1", "out.svg", "out.json", ".", "a.npy",
         "nowhere/x", "/dev/null", "/dev/full", "/dev/zero", "machine.json", "fifo"]


def special(random, data):
    """What is no file at all, or a strange one."""
    return random.choice([
        ("fifo",), ("folder",), ("link", "nowhere"), ("link", "/dev/zero"), ("link", "/dev/null"), ("link", "itself"),
        ("missing",), ("sparse", data, 1 << 40), ("sparse", b"", 1 << 40), ("sparse", data, len(data) + 1)])


def damage(random, case, name):
    data = case.files[name]
    case.files[name] = special(random, data) if random.random() < 0.05 else changed_bytes(random, data)


def contraction(random, case, expression=None):
    text, shapes, rules = expression or random.choice(EXPRESSIONS)
    dtype = random.choice(["<f4", "<f4", "<f8", ">f4", ">f8"])
    names = []
    for i, shape in enumerate(shapes):
        names.append(f"x{i}.npy")
        case.files[names[-1]] = npy(shape, dtype, random.random() < 0.3, random.choice([1, 1, 2, 3]))
    case.arguments = ["contract", text] + names + ["--out", "y.npy"]
    for rule in rules:
        case.arguments += ["--conv", rule]
    case.outputs = {"y.npy"}
    return names


def kind_npy(random, case, world):
    names = contraction(random, case)
    if names:
        damage(random, case, random.choice(names))
    case.arguments += random.choice([[], [], ["--ranks", "2"], ["--memory", "1GiB"]])


def kind_idx(random, case, world):
    case.files = data_set(packed=random.random() < 0.5)
    name = random.choice(sorted(case.files))
    if name.endswith(".gz") and random.random() < 0.6:
        # What is packed is damaged, and then packed as a whole file; sometimes it is long.
        content = changed_bytes(random, gzip.decompress(case.files[name]))
        if random.random() < 0.1:
            content += bytes(20 << 20)
        case.files[name] = gzip.compress(content, 1, mtime=0)
    else:
        damage(random, case, name)
    case.files["run.yaml"] = CONFIGURATION.encode()
    train(case, ["data.kind=idx", "data.path=data", "training.epochs=1", "training.maxSteps=1", "training.batchSize=4",
                 "output=run"])


def train(case, settings, *arguments):
    case.arguments = ["train", "run.yaml", "--threads", "1", *arguments]
    for setting in settings:
        case.arguments += ["--set", setting]
    case.outputs = {"run"}
    # A run that has begun may fail, and what it wrote is whole.
    case.may_leave = {"run"}


def kind_yaml(random, case, world):
    text = CONFIGURATION
    for _ in range(random.choice([1, 1, 2, 3])):
        text = changed_text(random, text)
    if random.random() < 0.1:
        levels = random.choice([3, 8, 30])
        text += "a0: &a0 [x, x]\n" + "".join(
            f"a{i}: &a{i} {random.choice(['[%s]', '{x: %s}', '{? [%s] : 1}']) % ', '.join([f'*a{i - 1}'] * 9)}\n"
            for i in range(1, levels))
    case.files["run.yaml"] = text.encode("utf8", "replace")
    if random.random() < 0.05:
        damage(random, case, "run.yaml")
    train(case, SMALL)


def kind_setting(random, case, world):
    case.files["run.yaml"] = CONFIGURATION.encode()
    # Sizes that are no matter of a second, but need no more memory than there is, are left out.
    keys = ["seed", "model.form", "model.compression", "training.batchSize", "training.schedule",
            "training.warmUpEpochs", "training.stepEpochs", "training.stepFactor", "training.checkpointSteps",
            "training.parallelism", "training.memory", "optimizer.kind", "optimizer.learningRate",
            "optimizer.momentum", "optimizer.weightDecay", "optimizer.beta1", "optimizer.epsilon", "data.kind",
            "data.path", "nothing", "training", ""]
    values = NUMBERS + TEXTS + ["tk", "tt", "tr", "dense", "sgd", "adam", "step", "constant", "auto", "data", "idx",
                                "1KiB", "recompute", "{model.form}", "{", "0.01"]
    settings = SMALL + [f"{random.choice(keys)}={random.choice(values)}" for _ in range(random.choice([1, 1, 2, 3]))]
    if random.random() < 0.3:
        key = random.choice(["data.trainingSamples", "data.testSamples"])
        settings.append(key + "=" + random.choice(["-1", "0", "1000000000000", "9223372036854775807", "1e9"]))
    train(case, settings)


def checksum(header, data):
    """That of a checkpoint, as `Safetensors.checksum` makes it."""
    def text(value):
        return f"{len(value.encode())}:{value}".encode()

    parts = []
    metadata = header["__metadata__"]
    for key in sorted(metadata, key=str.encode):
        if key != "checksum":
            parts += [text(key), text(metadata[key])]
    for name in sorted(header, key=str.encode):
        if name != "__metadata__":
            tensor = header[name]
            start, end = tensor["data_offsets"]
            parts += [text(name), text(f"{tensor['dtype']} {tensor['shape']}"), data[start:end]]
    return f"{zlib.crc32(b''.join(parts)):08x}"


def kind_checkpoint(random, case, world):
    if not world.run:
        return kind_yaml(random, case, world)
    case.files = dict(world.run)
    target = random.choice(sorted(case.files))
    checkpoint = [name for name in case.files if "checkpoints" in name]
    if random.random() < 0.7:
        target = random.choice(checkpoint)
    if target.endswith(".safetensors") and random.random() < 0.6:
        data = case.files[target]
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        metadata = header["__metadata__"]
        if "progress" in metadata and random.random() < 0.5:
            progress = changed_value(random, json.loads(metadata["progress"]))
            metadata["progress"] = json.dumps(progress)
            if random.random() < 0.8:
                metadata["checksum"] = checksum(header, data[8 + length:])
        else:
            header = changed_value(random, header)
        text = json.dumps(header).encode()
        case.files[target] = struct.pack("<Q", len(text)) + text + data[8 + length:]
    elif target.endswith(".jsonl") or target.endswith(".yaml"):
        case.files[target] = changed_text(random, case.files[target].decode()).encode("utf8", "replace")
    else:
        damage(random, case, target)
    train(case, [], "--resume", "run")
    for name in ["training.maxSteps=4"]:
        case.arguments += ["--set", name]
    case.may_leave = {"run"}


def kind_machine(random, case, world):
    text = json.dumps(changed_value(random, MACHINE))
    if random.random() < 0.3:
        text = changed_text(random, text)
    case.files["machine.json"] = text.encode("utf8", "replace")
    if random.random() < 0.05:
        case.files["machine.json"] = special(random, case.files["machine.json"])
    expression = random.choice(EXPRESSIONS)
    if random.random() < 0.5:
        contraction(random, case, expression)
    else:
        case.arguments = ["plan", expression[0]]
        for shape in expression[1]:
            case.arguments += ["--shape", ",".join(map(str, shape))]
    case.arguments += ["--machine", "machine.json"] + random.choice([[], ["--ranks", "4"], ["--ranks", "64"]][:2])


def kind_cases(random, case, world):
    text = json.dumps(changed_value(random, CASES))
    if random.random() < 0.2:
        text = changed_text(random, text)
    case.files["cases.json"] = text.encode("utf8", "replace")
    case.files["machine.json"] = json.dumps(MACHINE).encode()
    if random.random() < 0.03:
        case.files["cases.json"] = special(random, case.files["cases.json"])
    command = random.choice([["layers", "--seconds", "0.001"], ["scaling", "--repetitions", "1"]])
    case.arguments = ["bench", *command, "--cases", "cases.json", "--machine", "machine.json", "--threads", "1"]
    case.arguments += random.choice([[], ["--json"], ["--filter", random.choice(TEXTS + ["CP"])]])


def kind_expression(random, case, world):
    text, shapes, rules = random.choice(EXPRESSIONS)
    shapes = [[str(n) for n in shape] for shape in shapes]
    rules = list(rules)
    for _ in range(random.choice([1, 1, 2])):
        kind = random.randrange(4)
        if kind == 0 and any(shapes):
            shape = random.choice([shape for shape in shapes if shape])
            shape[random.randrange(len(shape))] = random.choice(NUMBERS)
        elif kind == 1 and rules:
            rules[0] = changed_text(random, rules[0])
        else:
            text = changed_text(random, text)
    if random.random() < 0.5:
        names = contraction(random, case, (text, [[int(n) if n.isdecimal() and len(n) < 4 else 2 for n in shape]
                                                  for shape in shapes], rules))
    else:
        case.arguments = ["plan", text]
        for shape in shapes:
            case.arguments += ["--shape", ",".join(shape)]
        for rule in rules:
            case.arguments += ["--conv", rule]
        case.arguments += random.choice([[], ["--json"], ["--ranks", "4"], ["--training"], ["--cost", "paper"]])


def kind_option(random, case, world):
    command = random.choice(sorted(OPTIONS))
    if command == "plan":
        case.arguments = ["plan", "ij,jk->ik", "--shape", "2,3", "--shape", "3,4"]
    elif command == "contract":
        contraction(random, case, EXPRESSIONS[0])
    else:
        case.arguments = ["bench"] + random.choice([["gemm", "--shape", "4,4,4", "--seconds", "0.001"],
                                                    ["comm", "--sizes", "8", "--repetitions", "2"],
                                                    ["layers", "--cases", "cases.json"], []])
        case.files["cases.json"] = json.dumps(CASES[1:]).encode()
    case.files["machine.json"] = json.dumps(MACHINE).encode()
    case.files["a.npy"] = npy([2, 3])
    case.files["fifo"] = ("fifo",)
    for _ in range(random.choice([1, 1, 2, 3])):
        option = random.choice(OPTIONS[command])
        value = random.choice(NUMBERS + TEXTS + WORDS + WORDS)
        # Work that was asked for is done: an hour of measuring is an hour.
        if option in ("--seconds", "--repetitions", "--sizes") and value[:1] in "123456789":
            value = "0"
        more = [option, value] if random.random() < 0.8 else [random.choice([option, value, option + "=" + value])]
        case.arguments[1:1] = [] if command == "bench" else []
        case.arguments += more
    # Files that were named may be written.
    case.outputs |= {word for word in case.arguments if word}
    case.outputs |= {word.split("=", 1)[1] for word in case.arguments if "=" in word}


KINDS = {"npy": kind_npy, "idx": kind_idx, "yaml": kind_yaml, "setting": kind_setting, "checkpoint": kind_checkpoint,
         "machine": kind_machine, "cases": kind_cases, "expression": kind_expression, "option": kind_option}
# Runs of training take longest.
WEIGHTS = {"npy": 4, "idx": 3, "yaml": 3, "setting": 2, "checkpoint": 3, "machine": 3, "cases": 3, "expression": 5,
           "option": 3}
