# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""Judges what echo-hold and udp-pace printed; prints cases for traffic.sh.

traffic.py KIND FOLDER [long]    KIND: breathes or fixed
"""

import json
import os
import statistics
import sys

# Data-path calls while the pool grows or shrinks, against quiet: asserted with --long only.
LATENCY_BOUND = 20
# Held frames that load must bring, against quiet: it is ten times the packets.
RISE = 5


def case(good, name):
    print(f"{'ok' if good else 'not ok'} - {name}")


def skip(name, why):
    print(f"ok - {name} # SKIP {why}")


def note(text):
    print(f"# {text}")


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Run:
    """The lines of both programs, on one clock."""

    def __init__(self, folder):
        lines = [line for line in read(folder, "echo.json") if "t" in line]
        self.lines = [line for line in lines if "end" not in line]
        self.end = next(line for line in lines if "end" in line)
        paced = read(folder, "pace.json")
        self.phases = [line for line in paced if "phase" in line]
        self.whole = paced[-1]
        with open(os.path.join(folder, "dropped"), encoding="utf-8") as file:
            self.dropped_between = int(file.read())

    def between(self, start, end):
        found = [line for line in self.lines if start <= line["t"] <= end]
        if not found:
            raise ValueError(f"the echo said nothing from {start} to {end}")
        return found


def packets(run):
    last, whole = run.lines[-1], run.whole
    case(whole["received"] and not whole["corrupt"] and not whole["duplicate"],
         "each answer is a packet that was sent, unchanged, once")
    counted = {name: last[name] for name in ("rx_nobuf", "tx_full", "no_reply", "missed")}
    counted["between"] = run.dropped_between
    counted["sender"] = whole["dropped_here"]
    note(f"{whole['sent']} packets, {whole['lost']} lost; counted: "
         + ", ".join(f"{name} {value}" for name, value in counted.items()))
    case(whole["lost"] <= sum(counted.values()), "each packet that is lost has been counted somewhere")


def rise(run, quiet, load):
    held = statistics.median(line["held"] for line in quiet)
    peak = max(line["held"] for line in load)
    achieved = [phase["sent"] / (phase["end"] - phase["start"]) for phase in run.phases]
    note("packets a second: " + ", ".join(f"{rate:.0f}" for rate in achieved))
    note(f"frames held: {held:.0f} when quiet, {peak} under load")
    slow = peak <= RISE * held and achieved[1] < 1.2 * RISE * achieved[0]
    name = f"load holds more than {RISE} times the frames"
    if slow:
        skip(name, "this machine does not send so fast just now")
    else:
        case(peak > RISE * held, name)
    return not slow


def frames(run, load, grown):
    moved = grown[-1]["rx_nobuf"] - grown[0]["rx_nobuf"]
    note(f"packets without a frame: {load[-1]['rx_nobuf']}, {moved} of them after the first second")
    case(moved == 0, "after a second of load no packet lacks a frame")
    case(run.lines[-1]["no_reply"] == 0, "no answer ever lacks one")
    end = run.end
    note(f"at the end: total {end['total']} free {end['free']} cached {end['cached']} "
         f"retired {end['retired']} held {end['held']} lent {end['lent']}")
    case(end["lost"] == 0 and end["held"] == 0 and end["lent"] == 0, "no frame is lost")


def breath(run, quiet, load, risen):
    small, large, last = (max(line["total"] for line in quiet), max(line["total"] for line in load),
                          run.lines[-1]["total"])
    note(f"frames in the pool: {small} when quiet, {large} under load, {last} at the end; hugepages "
         f"{quiet[-1]['hugepages']}, {max(line['hugepages'] for line in load)}, {run.lines[-1]['hugepages']}")
    if not risen:
        skip("the pool grows under load", "there was not enough of it")
        return
    case(large > small, "the pool grows under load")
    case(last < large, "and shrinks when it is over")
    taken = quiet[-1]["hugepages_free"] - min(line["hugepages_free"] for line in load)
    note(f"the machine has {taken} hugepages less to give under load")
    case(taken > 0, "the hugepages come from the machine")
    back = run.lines[-1]["hugepages_free"] - min(line["hugepages_free"] for line in load)
    case(back > 0, "and go back to it")


def p999(lines):
    return statistics.median(line["p999"] for line in lines)


def latency(run, quiet, long):
    start, end = run.phases[1]["start"], run.phases[1]["end"]
    windows = {"when quiet": quiet, "while load rises": run.between(start, start + 1),
               "under load": run.between(start + 2, end), "when it is over": run.between(end, end + 2)}
    windows = {name: [line for line in lines if line["calls"]] for name, lines in windows.items()}
    if not all(windows.values()):
        note("too few calls to say how long they take")
        return
    for name, lines in windows.items():
        calls = sum(line["calls"] for line in lines) // len(lines)
        note(f"an allocation or a free {name}: p50 {statistics.median(line['p50'] for line in lines):.0f} ns, "
             f"p99.9 {p999(lines):.0f} ns, longest {max(line['max'] for line in lines) / 1000:.0f} us "
             f"({calls} calls an interval)")
    # Few calls in an interval have cold caches: what load changes by itself stands beside it.
    rising, over = p999(windows["while load rises"]), p999(windows["when it is over"])
    grow, shrink = (time / p999(windows["when quiet"]) for time in (rising, over))
    note(f"p99.9 while load rises: {grow:.1f} times that when quiet, "
         f"{rising / p999(windows['under load']):.1f} times that under load; when it is over {shrink:.1f} times")
    if long:
        case(max(grow, shrink) < LATENCY_BOUND, f"they take less than {LATENCY_BOUND} times as long")


def main():
    kind, folder, long = sys.argv[1], sys.argv[2], "long" in sys.argv[3:]
    run = Run(folder)
    first, second = run.phases[0], run.phases[1]
    quiet = run.between(first["start"] + 1, first["end"])
    load = run.between(second["start"], second["end"])
    packets(run)
    risen = rise(run, quiet, load)
    frames(run, load, run.between(second["start"] + 1, run.lines[-1]["t"]))
    if kind == "breathes":
        breath(run, quiet, load, risen)
    latency(run, quiet, long)


if __name__ == "__main__":
    main()
