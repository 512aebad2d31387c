"""Checks the runner itself: documents that are wrong fail, each for the reason expected, and their
counterparts pass."""

import contextlib
import io
import shutil
from pathlib import Path

GOOD = """
```console
$ echo "3 of 4 in 12 ms"
3 of 4 in … ms
$ printf 'one\\ntwo\\nthree\\n'
one
…
three
```

A folder and a variable go on to the next block.

```sh
mkdir -p below && cd below
export CHECKED=yes
```

```console
$ basename "$PWD"; echo $CHECKED
below
yes
```

<!-- exit code: 7 -->
```console
$ echo no >&2
no
$ (exit 7)
```

<!-- not run: it ends the machine -->
```sh
exit 1
```

- an item

  ```sh
  true
  ```

<!--console
$ echo hidden
hidden
-->

```json
{"a": 1}
```

<!-- before: import Convoy -->
```swift
let x = Tensor<Float>(shape: [2], elements: [1, 2])
print(x.shape)  // → [2]
```
"""

BAD = {
    "a wrong figure": ("```console\n$ echo 119 million\n118 million\n```", "prints something else"),
    "a line too many": ("```console\n$ printf '1\\n2\\n'\n1\n```", "prints something else"),
    "a line too few": ("```console\n$ echo 1\n1\n2\n```", "prints something else"),
    "a failing command": ("```sh\nfalse\n```", "exit code 1"),
    "a failure before the end": ("```sh\nfalse\ntrue\n```", "exit code 1"),
    "a failing command of a console": ("```console\n$ false\n$ true\n```", "exit code 1"),
    "another exit code": ("<!-- exit code: 64 -->\n```console\n$ exit 1\n```", "expected 64"),
    "no program": ("```sh\nconvoy-of-tomorrow plan\n```", "exit code 127"),
    "an unmarked block": ("```\n$ echo 1\n```", "no language"),
    "an unknown language": ("```bash\necho 1\n```", "the language `bash`"),
    "an indented block": ("Text:\n\n    echo 1\n", "an indented block"),
    "a block without an end": ("```sh\ntrue", "does not end"),
    "an unknown comment": ("<!-- skip: why not -->\n```sh\ntrue\n```", "the comment `skip:`"),
    "no reason": ("<!-- not run: -->\n```sh\ntrue\n```", "says nothing"),
    "a comment without a block": ("<!-- not run: why -->\n\nText.", "no block follows"),
    "output without a command": ("```console\n1\n```", "expected `$ command`"),
    "a false hidden check": ("<!-- console\n$ echo 1\n2\n-->", "prints something else"),
    "no JSON": ("```json\n{a: 1}\n```", "is no JSON"),
    "a broken link": ("See [that](not-there.md).", "there is no not-there.md"),
    "Swift that does not compile": ("```swift\nlet x: Int = 1.5\n```", "does not compile"),
    "Swift that fails": ("```swift\nfatalError()\n```", "exit code"),
    "Swift that prints another number": ("```swift\nprint(1 + 1)  // → 3\n```", "prints something else"),
}


def judged(make, work, binaries, pages):
    """What a runner says of pages: whether all are true, and its output."""
    root = work / "root"
    root.mkdir(parents=True)
    for name, text in pages.items():
        (root / name).write_text(text)
    scratch = work / "work"
    scratch.mkdir()
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        true = make(root, scratch, binaries).all([Path(name) for name in pages])
    shutil.rmtree(work)
    return true, output.getvalue()


def check(make, work, binaries):
    true, output = judged(make, work, binaries, {"good.md": GOOD})
    if not true or "FAIL" in output:
        raise SystemExit(f"Tests/docs/run: calls a true document wrong:\n{output}")
    names = {f"{number}.md": name for number, name in enumerate(BAD)}
    _, output = judged(make, work, binaries, {page: BAD[names[page]][0] for page in names})
    for page, name in names.items():
        reason = BAD[name][1]
        report = "".join(part for part in output.split("FAIL  ")[1:] if part.startswith(page))
        if reason not in report:
            raise SystemExit(f"Tests/docs/run: overlooks {name} ({reason}):\n{output}")
    print(f"ok    self-check: {len(BAD)} wrong documents are found wrong")
