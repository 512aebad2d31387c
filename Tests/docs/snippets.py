"""Compiles the Swift of documents as programs of their own, against modules that are built already.

How modules were compiled and how they are linked stands in the manifest that `swift build` leaves beside them.
"""

import concurrent.futures
import json
import os
import re
import subprocess
from pathlib import Path

from session import Failure

# `print(x)  // → 3`: what that line prints.
PRINTS = re.compile(r"//\s*→\s*(.*\S)\s*$")


def is_manifest(code):
    return code.startswith("// swift-tools-version:")


def expected(code):
    """What the program prints, among other lines."""
    lines = [found[1] for line in code.split("\n") if (found := PRINTS.search(line))]
    return ["…", *[entry for line in lines for entry in (line, "…")]]


class Compiler:
    def __init__(self, binaries):
        self.binaries = binaries
        folder = binaries.resolve()
        manifest = folder.parents[1] / f"{folder.name}.yaml"
        if not manifest.is_file():
            raise Failure(f"{manifest} is not there, from which Swift's options are taken")
        text = manifest.read_text()
        self.options = [*self.compiling(text), *self.linking(text)]

    def arguments(self, text, name):
        found = re.search(
            rf'^  "C\.{name}":\n(?:    .*\n)*?    args: (\[.*\])$', text, re.MULTILINE)
        if not found:
            raise Failure(f"`swift build` has left no rule C.{name}")
        return json.loads(found[1])

    def compiling(self, text):
        """Where modules are, those in C too."""
        arguments = iter(self.arguments(text, r"Convoy-[^\"]*\.module"))
        for argument in arguments:
            if argument in ("-Xcc", "-I", "-target", "-swift-version"):
                yield from (argument, next(arguments))
            elif re.match(r"-I.", argument):
                yield argument

    def linking(self, text):
        """Libraries, and the objects of all modules but the command's own."""
        for argument in self.arguments(text, r"convoy-[^\"]*\.exe"):
            if re.match("-[lL].", argument):
                yield argument
            elif argument.startswith("@"):
                for line in Path(argument[1:]).read_text().splitlines():
                    if not re.search(r"/(ConvoyCommand|ArgumentParser\w*)\.build/", line):
                        yield line.strip("'")

    def compile(self, folder, code):
        """The program, or why there is none."""
        folder.mkdir(parents=True)
        (folder / "main.swift").write_text(code)
        (folder / "options").write_text(
            "\n".join(f'"{option}"' for option in self.options) + "\n")
        run = subprocess.run(
            ["swiftc", "-O", "main.swift", "@options", "-o", "program"], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if run.returncode != 0:
            raise Failure(f"does not compile:\n{run.stdout}")
        return folder / "program"


def code(block):
    """All of a block's program, what stands before it included."""
    return "\n".join(filter(None, [block.comments.get("before"), block.text])) + "\n"


class Programs:
    """The programs of many blocks, compiled two at a time (or as many as there are cores)."""

    def __init__(self, compiler, folder, blocks):
        self.executor = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
        self.compiled = {
            block.place: self.executor.submit(compiler.compile, folder / str(number), code(block))
            for number, block in enumerate(blocks) if not is_manifest(block.text)}

    def program(self, block):
        return self.compiled[block.place].result()
