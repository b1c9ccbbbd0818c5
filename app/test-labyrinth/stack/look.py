#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""Looks of labyrinth-info at one pool that is in use: each adds up and names its owners, and their numbers move.

    look.py LOOKS      a look in JSON a line; exit status 0, or a sentence and 1
    look.py --stack    one look on stdin: how many frames the stack has
"""
import json
import sys

LEAST = 5  # looks


def part(look, kind, what):
    """The frames that owners of a kind have."""
    return sum(holder.get(what, 0) for holder in look["holders"] if holder["kind"] == kind)


def wrong(look):
    """What one look lacks."""
    names = {holder["name"] for holder in look["holders"]}
    lent = part(look, "device", "lent")
    if look["free"] + look["cached"] + look["held"] + look["lent"] + look["retired"] != look["total"]:
        return "It does not add up."
    if "stack" not in names:
        return "No lcore is called 'stack'."
    # The owners are counted a moment before the totals are.
    if not lent or not part(look, "device", "receiving"):
        return "No device has a frame to receive into, while packets pass."
    if not look["free"]:
        return "No frame is free."
    return None


def stack(look):
    """The frames that the lcore 'stack' holds."""
    return sum(holder["held"] for holder in look["holders"] if holder["name"] == "stack")


def main(path):
    """Judges."""
    with open(path, encoding="utf-8") as file:
        looks = [json.loads(line) for line in file]
    if len(looks) < LEAST:
        return f"There are {len(looks)} looks, fewer than {LEAST}."
    for look in looks:
        print(f"free {look['free']} cached {look['cached']} held {look['held']} lent {look['lent']}:",
              f"receiving {part(look, 'device', 'receiving')}, sending {part(look, 'device', 'sending')}")
        if wrong(look):
            return wrong(look)
    # Now and then the loop may not get a processor between two.
    still = sum(b["allocs"] <= a["allocs"] or b["frees"] <= a["frees"] for a, b in zip(looks, looks[1:]))
    if still * 2 >= len(looks):
        return f"Between {still} of {len(looks)} looks and the next nothing was allocated, or nothing freed."
    for what in ("receiving", "sending"):
        if len({part(look, "device", what) for look in looks}) < 2:
            return f"What the device has for {what} never changed."
    if len({look["free"] + look["cached"] for look in looks}) < 2:
        return "What is free never changed."
    return None


if __name__ == "__main__":
    if sys.argv[1] == "--stack":
        print(stack(json.load(sys.stdin)))
        sys.exit(0)
    why = main(sys.argv[1])
    if why:
        print(f"error: {why}")
    sys.exit(1 if why else 0)
