#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""Reads the Markdown files of a tree.

docs.py links TOP             prints TAP: in each file, every relative link and anchor leads somewhere
docs.py snippets TOP FOLDER   writes each ```c block that begins with /* build */ to a file of FOLDER and
                              prints "FILE where it stands"
"""

import os
import re
import sys

LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def markdown_files(top):
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "build")))
        for name in sorted(files):
            if name.endswith(".md"):
                yield os.path.join(folder, name)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def anchors(path):
    """The anchors of a file's headings, as code hosts make them."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", FENCE.sub("", read(path)), re.M):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        copy = 0
        while plain + (f"-{copy}" if copy else "") in found:
            copy += 1
        found.add(plain + (f"-{copy}" if copy else ""))
    return found


def broken_links(path):
    for target in LINK.findall(FENCE.sub("", read(path))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if not os.path.exists(file):
            yield f"{target}: there is no such file"
        elif anchor and file.endswith(".md") and anchor not in anchors(file):
            yield f"{target}: the file has no such heading"


def links(top):
    count = 0
    for count, path in enumerate(markdown_files(top), 1):
        broken = list(broken_links(path))
        print(("not ok" if broken else "ok") + f" - links of {os.path.relpath(path, top)}")
        for line in broken:
            print("# " + line)
    print(f"1..{count}")


def snippets(top, folder):
    for path in markdown_files(top):
        text = read(path)
        for match in FENCE.finditer(text):
            if match.group(1) != "c" or not match.group(2).startswith("/* build */"):
                continue
            line = text.count("\n", 0, match.start()) + 1
            where = f"{os.path.relpath(path, top)}:{line}"
            file = os.path.join(folder, re.sub(r"\W", "_", where) + ".c")
            with open(file, "w", encoding="utf-8") as out:
                out.write(f'#line {line + 1} "{where.partition(":")[0]}"\n' + match.group(2))
            print(file, where)


if __name__ == "__main__":
    if sys.argv[1:2] == ["links"] and len(sys.argv) == 3:
        links(sys.argv[2])
    elif sys.argv[1:2] == ["snippets"] and len(sys.argv) == 4:
        snippets(*sys.argv[2:])
    else:
        sys.exit(__doc__)
