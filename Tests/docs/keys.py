#!/usr/bin/env python3
"""Compares the keys and defaults that docs/training.md lists with those of `convoy train --help`.
usage: Tests/docs/keys.py PAGE"""

import re
import subprocess
import sys

# "key: what it is", then "    values (default value)", maybe over several lines.
HELP = re.compile(r"^([a-zA-Z.0-9]+): [^\n]*\n((?:    [^\n]*\n)+)", re.MULTILINE)
# "| `key` \*, `key` | values | default, default | …".
ROW = re.compile(r"^\| ((?:`[a-zA-Z.0-9]+`(?: \\\*)?(?:, )?)+) \|[^|]*\| ([^|]*) \|", re.MULTILINE)


def plain(default):
    """2 and 2.0 and `2` are one default."""
    text = default.strip().strip('`"')
    try:
        return float(text)
    except ValueError:
        return text


def printed():
    text = subprocess.run(
        ["convoy", "train", "--help"], check=True, capture_output=True, text=True).stdout
    for key, values in HELP.findall(text.split("Keys of a configuration")[1]):
        yield key, plain(re.search(r"\(default (.*)\)", " ".join(values.split()))[1])


def listed(page):
    section = page.split("## Configuration")[1].split("### ")[0]
    for names, defaults in ROW.findall(section):
        keys = re.findall("`([^`]+)`", names)
        for key, default in zip(keys, defaults.split(", ") if len(keys) > 1 else [defaults]):
            yield key, plain(default)


def main():
    with open(sys.argv[1]) as file:
        page = dict(listed(file.read()))
    program = dict(printed())
    wrong = [key for key in sorted(program | page)
             if key not in program or key not in page or page[key] != program[key]]
    for key in wrong:
        print(f"{key}: {program.get(key, 'no key')} in the program, {page.get(key, 'no key')} in {sys.argv[1]}")
    sys.exit(1 if wrong or not program else 0)


if __name__ == "__main__":
    main()
