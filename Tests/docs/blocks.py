"""The blocks of a Markdown document, and what comments before them say.

A block is fenced and names its language:

  sh        commands of one shell; the first that fails fails the block
  console   `$ command`, and below it what it prints, errors included; `…` stands for any part of a
            line that depends on the machine, and alone on a line for any number of lines
  swift     a program of its own; `print(x)  // → 3` says what that line prints
  json      one JSON value, or one on each line
  text      neither run nor checked: formulas, drawings, forms of a command

A comment before a block, which readers of the page do not see, may say

  <!-- not run: REASON -->        it cannot be run here: it needs hosts, a package, an hour
  <!-- long: REASON -->           it is run with CONVOY_TESTS=long only
  <!-- run if: COMMAND -->        it is run where this command succeeds
  <!-- exit code: N -->           of the last command of a console block (0)
  <!-- before: CODE -->           Swift that stands before the block's: imports, values

and a comment whose first line is `console` or `sh` is such a block itself: what a reader has done before,
or a check of figures that stand in the text.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

LANGUAGES = ("sh", "console", "swift", "json", "text")
KEYS = ("not run", "long", "run if", "exit code", "before")

FENCE = re.compile(r"( *)(`{3,}|~{3,})(.*)$")
ITEM = re.compile(r" {0,3}([-*+]|\d+[.)]) ")
DIRECTIVE = re.compile(r"([a-z][a-z ]*):(.*)$", re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


class DocumentError(Exception):
    """What is wrong with a document itself."""


@dataclass
class Block:
    document: Path
    line: int
    language: str
    text: str
    comments: dict = field(default_factory=dict)

    @property
    def place(self):
        return f"{self.document}:{self.line}"


class Reader:
    """Goes through the lines of one document once."""

    def __init__(self, document, text):
        self.document, self.lines = document, text.split("\n")
        self.at = 0
        self.blocks, self.comments = [], {}

    def fail(self, line, why):
        raise DocumentError(f"{self.document}:{line + 1}: {why}")

    def read(self):
        blank, in_list = True, False
        while self.at < len(self.lines):
            start, line = self.at, self.lines[self.at]
            self.at += 1
            if not line.strip():
                blank = True
                continue
            if fence := FENCE.match(line):
                self.fenced(start, *fence.groups())
            elif line.lstrip().startswith("<!--"):
                self.comment(start)
            else:
                if self.comments:
                    key, (at, _) = next(iter(self.comments.items()))
                    self.fail(at, f"no block follows <!-- {key}: … -->")
                if line.startswith(("    ", "\t")) and blank and not in_list:
                    self.fail(start, "an indented block: fence it and name its language")
                in_list = bool(ITEM.match(line)) or in_list and (not blank or line.startswith(" "))
            blank = False
        if self.comments:
            key, (at, _) = next(iter(self.comments.items()))
            self.fail(at, f"no block follows <!-- {key}: … -->")
        return self.blocks

    def fenced(self, start, indent, fence, info):
        language = info.strip()
        if language not in LANGUAGES:
            what = f"the language `{language}`" if language else "no language"
            self.fail(start, f"a block of {what}, expected one of: {', '.join(LANGUAGES)}")
        body = []
        while True:
            if self.at == len(self.lines):
                self.fail(start, "this block does not end")
            line = self.lines[self.at]
            self.at += 1
            if line.strip() == fence:
                break
            body.append(line.removeprefix(indent))
        self.add(start, language, "\n".join(body))

    def comment(self, start):
        text = self.lines[start]
        while "-->" not in text:
            if self.at == len(self.lines):
                self.fail(start, "this comment does not end")
            text += "\n" + self.lines[self.at]
            self.at += 1
        text = text.strip().removeprefix("<!--").removesuffix("-->").strip()
        first, _, rest = text.partition("\n")
        if first in ("sh", "console"):
            self.add(start, first, rest)
        elif found := DIRECTIVE.match(text):
            key, value = found[1], found[2].strip()
            if key not in KEYS:
                self.fail(start, f"the comment `{key}:`, expected one of: {', '.join(KEYS)}")
            if not value:
                self.fail(start, f"<!-- {key}: --> says nothing")
            self.comments[key] = (start, value)

    def add(self, start, language, text):
        comments = {key: value for key, (_, value) in self.comments.items()}
        self.comments = {}
        self.blocks.append(Block(self.document, start + 1, language, text, comments))


def read(document, text):
    return Reader(document, text).read()


def broken_links(root, document, text):
    """Links to files that are not there."""
    for target in LINK.findall(text):
        if "://" not in target and not (root / document.parent / target).exists():
            yield f"{document}: there is no {target}"
