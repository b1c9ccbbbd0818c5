#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""Counts test cases, not programs. Everything is counted from TAP.

tally.py meson BUILD LOG    TAP of a `meson test --logbase LOG` run in BUILD: each case of each program
tally.py reports TITLE FILE...   TAP with one failure for each sanitizer report among the files
tally.py suite NAME TAP STATUS COUNTS   a suite's own line with its reasons; adds its counts to COUNTS
tally.py total COUNTS       the closing line; exit status 1 if anything failed

Whatever ends early counts as failed: a program or suite that dies before its plan (one failure), one
that reports fewer cases than planned (one for each), a bad exit status that no failed case explains.
"""

import json
import os
import re
import sys

RESULT = re.compile(r"(not )?ok\b(?:\s+\d+)?(?:\s+-)?\s*(.*)")
SKIP = re.compile(r"\s*#\s*skip\S*\s*(.*)", re.I)
PLAN = re.compile(r"1\.\.(\d+)\s*(?:#\s*skip\S*\s*(.*))?$", re.I)
NOISE = re.compile(r"[\s#]*(---|\.\.\.|assertions: \d+|failures:|)$")  # Criterion's YAML frame
TIME = re.compile(r"\s+\(\d+\.\d+s\)$")
SANITIZER = re.compile(r"ERROR: \w*Sanitizer|LeakSanitizer|WARNING: ThreadSanitizer|: runtime error: ")


class Case:
    def __init__(self, name, verdict, detail=()):
        self.name = name
        self.verdict = verdict  # passed, failed or skipped
        self.detail = list(detail)  # why, in lines


def parse_tap(text):
    """Returns the cases of a TAP stream; a stream without a plan or with too few cases has failed ones."""
    cases, planned, all_skipped = [], None, None
    for line in text.splitlines():
        result = RESULT.match(line)
        plan = PLAN.match(line)
        if result:
            name = result.group(2)
            skip = SKIP.search(name)
            if skip and not result.group(1):
                cases.append(Case(name[: skip.start()], "skipped", [skip.group(1) or "no reason given"]))
            else:
                cases.append(Case(name, "failed" if result.group(1) else "passed"))
            cases[-1].name = TIME.sub("", cases[-1].name).strip()
        elif plan:
            planned, all_skipped = int(plan.group(1)), plan.group(2)
        elif line.startswith("Bail out!"):
            cases.append(Case("bailed out", "failed", [line]))
        elif cases and cases[-1].verdict == "failed" and line[:1] in (" ", "#"):
            if not NOISE.match(line):
                cases[-1].detail.append(line.lstrip("# ").rstrip())
    if planned is None:
        cases.append(Case("ended before its plan", "failed"))
    elif planned == 0 and not cases:
        cases.append(Case("all", "skipped", [all_skipped]) if all_skipped else Case("no case ran", "failed"))
    else:
        for _ in range(planned - len(cases)):
            cases.append(Case("planned but never reported", "failed"))
        if len(cases) > planned:
            cases.append(Case(f"{len(cases)} cases where {planned} were planned", "failed"))
    return cases


def program_cases(test, protocol):
    """The cases of one program, from its entry in meson's log."""
    stdout, stderr = test.get("stdout", ""), test.get("stderr", "")
    status, result = test["returncode"], test["result"]
    if result == "TIMEOUT":
        stderr += "\nran out of time"
    if protocol == "tap" or re.search(r"^1\.\.\d+", stdout, re.M):
        cases = parse_tap(stdout)
        if (status != 0 or result == "TIMEOUT") and not any(c.verdict == "failed" for c in cases):
            cases.append(Case(f"exit status {status}", "failed"))
    elif result == "SKIP":
        cases = [Case("", "skipped", stdout.strip().splitlines()[-1:] or ["no reason given"])]
    elif result in ("OK", "EXPECTEDFAIL"):
        cases = [Case("", "passed")]
    else:
        cases = [Case("", "failed", [f"{result.lower()}, exit status {status}"])]
    found = SANITIZER.search(stdout + "\n" + stderr)
    if found and not any(c.verdict == "failed" for c in cases):
        cases.append(Case("sanitizer report", "failed"))
    for case in cases:
        if case.verdict == "failed" and not case.detail:
            case.detail = [line for line in stderr.splitlines() if line.strip()][-6:]
    failed = [c for c in cases if c.verdict == "failed"]
    if failed:
        failed[-1].detail.append("by hand: " + " ".join(a for a in test["command"] if a != "--tap"))
    name = re.sub(r"^.* / ", "", test["name"])
    for case in cases:
        case.name = f"{name}: {case.name}" if case.name else name
    return cases


def print_tap(cases):
    for case in cases:
        tail = " # SKIP " + " ".join(case.detail) if case.verdict == "skipped" else ""
        print(("not ok - " if case.verdict == "failed" else "ok - ") + case.name.replace("#", "") + tail)
        if case.verdict == "failed":
            for line in case.detail:
                print("# " + line)
    print(f"1..{len(cases)}")


def meson(build, log):
    with open(os.path.join(build, "meson-info", "intro-tests.json"), encoding="utf-8") as file:
        protocols = {test["name"]: test["protocol"] for test in json.load(file)}
    cases = []
    try:
        with open(os.path.join(build, "meson-logs", log + ".json"), encoding="utf-8") as file:
            for line in file:
                test = json.loads(line)
                name = re.sub(r"^.* / ", "", test["name"])
                cases += program_cases(test, protocols.get(name, "exitcode"))
    except FileNotFoundError:
        pass
    print_tap(cases or [Case("no test ran", "failed")])


def reports(title, files):
    cases = []
    for path in files:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip() for line in file if line.strip(" =\n")]
        cases.append(Case(f"{title}: {os.path.basename(path)}", "failed", lines[:12]))
    print_tap(cases or [Case(title, "passed")])


def suite(name, tap, status, counts):
    with open(tap, encoding="utf-8", errors="replace") as file:
        text = file.read()
    # A suite may consist of several streams one after another: the plans add up.
    planned = [int(n) for n in re.findall(r"^1\.\.(\d+)\s*$", text, re.M)]
    if planned:
        text = re.sub(r"^1\.\.\d+\s*\n", "", text, flags=re.M) + f"\n1..{sum(planned)}\n"
    cases = parse_tap(text)
    if status == "124":
        cases.append(Case("the suite ran out of time", "failed"))
    elif status != "0":
        cases.append(Case(f"the suite ended with exit status {status}", "failed"))
    count = {verdict: sum(c.verdict == verdict for c in cases) for verdict in ("passed", "failed", "skipped")}
    for case in cases:
        if case.verdict == "skipped":
            print(f"  skipped: {case.name}: {' '.join(case.detail)}")
        elif case.verdict == "failed":
            print(f"  FAILED: {case.name}")
            for line in case.detail:
                print(f"      {line}")
    print(f"{name}: {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    with open(counts, "a", encoding="utf-8") as file:
        file.write(f"{name} {count['passed']} {count['failed']} {count['skipped']}\n")


def total(counts):
    sums = [0, 0, 0]
    with open(counts, encoding="utf-8") as file:
        for line in file:
            sums = [a + int(b) for a, b in zip(sums, line.split()[1:])]
    print(f"{sums[0]} passed, {sums[1]} failed, {sums[2]} skipped")
    return 1 if sums[1] or not sums[0] else 0


def main(argv):
    if len(argv) == 3 and argv[0] == "meson":
        return meson(*argv[1:])
    if len(argv) >= 2 and argv[0] == "reports":
        return reports(argv[1], argv[2:])
    if len(argv) == 5 and argv[0] == "suite":
        return suite(*argv[1:])
    if len(argv) == 2 and argv[0] == "total":
        return total(argv[1])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
