#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""Prints TAP: whether a file of labyrinth-perf's --json says something about each case that was to run.

perf_json.py FILE PEERS HUGEPAGES CASE...

PEERS: yes if DPDK's mempools were to be measured as well. HUGEPAGES: how many of 2 MiB were free.
Figures are checked for sense, not for speed.
"""

import json
import math
import os
import sys

# Figure: least and most that is no nonsense anywhere, and whether it has a ratio.
FIGURES = {
    "ns_per_frame": (0.01, 1e6, True),
    "mframes_per_s": (1e-3, 1e6, True),
    "p50_ns": (0.1, 1e9, True),
    "p99_ns": (0.1, 1e9, True),
    "p999_ns": (0.1, 1e10, True),
    "p9999_ns": (0.1, 1e11, True),
    "transfer_ns": (0.01, 1e6, False),
    "accept_ns": (0.01, 1e6, False),
    "reap_ms": (1e-3, 1e4, False),
    "create_ms": (1e-3, 1e6, True),
    "beyond_populate_ms": (-1e6, 1e6, False),
    "destroy_ms": (1e-6, 1e6, True),
    "bytes_per_frame": (0.1, 4096, True),
    "aligned_percent": (0.1, 100, False),
    "fixed_ns": (0.01, 1e6, False),
    "to_fixed": (1e-3, 1e3, False),
    "gib_per_s": (1e-4, 1e4, False),
    "populate_gib_per_s": (1e-4, 1e4, False),
    "to_populate": (1e-3, 1e3, False),
    "shrink_ms": (1e-3, 1e6, False),
    "max_ns": (0.1, 1e11, False),
    "to_quiet": (1e-4, 1e6, False),
}
OURS = {"labyrinth", "labyrinth-unprotected", "labyrinth-shared"}
OF_PROCESSES = {"labyrinth-shared"}
PEER = "rte-ring"
# Cases of Labyrinth's pools alone, of the private ones, and of those that can grow.
ONLY = {
    "transfer": OF_PROCESSES,
    "reap": OF_PROCESSES,
    "nowait": OURS,
    "nowait-burst-32": OURS,
    "atomic-reserve": OURS - OF_PROCESSES,
    "keeper": {"labyrinth"},
    "grow": {"labyrinth"},
    "grow-ordinary": {"labyrinth"},
    "shrink": {"labyrinth"},
    "shrink-ordinary": {"labyrinth"},
    "breath-latency": {"labyrinth"},
    "breath-latency-grow": {"labyrinth"},
    "breath-latency-shrink": {"labyrinth"},
}
# They make a pool as large as there are hugepages for.
LARGE = {"create", "memory", "reap"} | {c for c in ONLY if c.startswith(("grow", "shrink", "breath"))}


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def faults(row):
    """What is wrong with one object."""
    figures = [key for key in row if key in FIGURES]
    if set(row) != {"case", "subject", "ratio", *figures} or len(figures) != 1:
        yield f"its keys are {sorted(row)}: not case, subject, ratio and one known figure"
        return
    least, most, has_ratio = FIGURES[figures[0]]
    value, ratio = row[figures[0]], row["ratio"]
    if not number(value) or not least <= value <= most:
        yield f"{row['subject']}: {figures[0]} is {value}, outside {least:g}..{most:g}"
    if ratio is not None and (not number(ratio) or not 0 < ratio < 1e7):
        yield f"{row['subject']}: the ratio of {figures[0]} is {ratio}"
    if row["subject"] == PEER and has_ratio and (ratio is None or abs(ratio - 1) > 1e-3):
        yield f"{PEER}: the ratio of {figures[0]} to itself is {ratio}"
    if row["subject"] in OURS and figures[0] == "aligned_percent" and value != 100:
        yield f"{row['subject']}: only {value} % of the frames are aligned"


def why_not(case, hugepages):
    """Why a case may be missing from a run of all."""
    if os.cpu_count() == 1:
        return "this machine has one CPU"
    if case in LARGE and hugepages < 512:
        return "too few hugepages for a large pool"
    return None


def main(path, peers, hugepages, *cases):
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        sys.exit(f"{path} is no array of objects")
    unknown = {row.get("case") for row in rows} - set(cases)
    wanted = OURS | ({PEER} if peers == "yes" and int(hugepages) > 0 else set())
    for case in cases:
        mine = [row for row in rows if row.get("case") == case]
        reason = why_not(case, int(hugepages))
        if not mine and reason:
            print(f"ok - case {case} # SKIP {reason}")
            continue
        wrong = [fault for row in mine for fault in faults(row)]
        all_of = ONLY.get(case, wanted)
        measured = {row.get("subject") for row in mine}
        wrong += [f"no figure of {s}" for s in sorted(all_of - measured)]
        if case in ONLY:
            wrong += [f"a figure of {s}" for s in sorted(measured - all_of)]
        print(("not ok" if wrong else "ok") + f" - case {case} has figures that make sense")
        for line in wrong:
            print("# " + line)
    print(("not ok" if unknown else "ok") + f" - no case that --list does not name {sorted(unknown) or ''}")
    print(f"1..{len(cases) + 1}")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
