#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""labyrinth-info beside a live pool: what it says is true, its page loads nothing, nothing is disturbed.

    info.py LIVE LABYRINTH-INFO      the two programs; prints TAP
"""
import html.parser
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

NAME = "looked-at"
CELL = 8  # pixels
STATES = {"in the depot": "free", "in a cache": "cached", "held": "held", "lent": "lent",
          "retired": "retired"}
LEGEND = ["in the depot", "in the caches of lcores", "held by process", "lent to device", "retired",
          "in the caches of process"]
tests = failed = 0


def ok(good, name, more=""):
    """One test point."""
    global tests, failed
    tests += 1
    failed += not good
    print(f"{'' if good else 'not '}ok {tests} - {name}")
    if not good and more:
        print("# " + str(more).strip().replace("\n", "\n# ")[:2000])


class Page(html.parser.HTMLParser):
    """What is drawn, and what the legend says."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.cells, self.rows = set(), set(), [], []
        self.rect, self.in_title, self.in_cell = None, False, False

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        self.attributes |= set(attrs)
        if tag == "rect":
            self.rect = attrs
        elif tag == "title":
            self.in_title = True
        elif tag == "tr":
            self.rows.append({"text": [], "colour": None})
        elif tag == "td":
            self.in_cell = True
            self.rows[-1]["text"].append("")
        elif tag == "span" and self.rows:
            self.rows[-1]["colour"] = attrs.get("style", "").removeprefix("background:")

    def handle_endtag(self, tag):
        if tag == "title":
            self.in_title = False
        elif tag == "td":
            self.in_cell = False

    def handle_data(self, data):
        if self.in_title and self.rect:
            self.cells.append((self.rect, data))
        elif self.in_cell:
            self.rows[-1]["text"][-1] += data


def look(program, *arguments):
    """Runs labyrinth-info. Returns its status and what it said."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def check_page(text, truth):
    """The page, against what the pool's own processes counted."""
    page = Page()
    page.feed(text)
    loads = re.findall(r"src\s*=|href\s*=|url\s*\(|https?:|@import|<script|<link|<iframe|<img", text, re.I)
    ok(not loads, "html: it loads nothing", loads)
    drawn = dict.fromkeys(STATES.values(), 0)
    wrong, coloured = [], {}
    for rect, title in page.cells:
        first, last, state, owner = re.match(r"frames (\d+)-(\d+): ([a-z ]+)(?:, (.*))?$", title).groups()
        frames = int(last) - int(first) + 1
        if (int(rect["width"]) + 1) // CELL != frames:
            wrong.append(title)
        drawn[STATES[state]] += frames
        if state not in ("in the depot", "retired"):
            coloured.setdefault(state, set()).add((owner, rect["fill"]))
    ok(not wrong and sum(drawn.values()) == truth["total"], "html: a cell for each frame", wrong)
    # What a cache has straight from the depot still says so.
    ok(drawn["held"] == truth["held"] and drawn["lent"] == truth["lent"]
       and drawn["retired"] == truth["retired"] and 0 < drawn["cached"] <= truth["cached"]
       and drawn["free"] + drawn["cached"] == truth["free"] + truth["cached"],
       "html: as many of each state as are counted", f"{drawn} {truth}")
    legend = {row["text"][1]: row for row in page.rows if len(row["text"]) == 3}
    missing = [what for what in LEGEND if not any(what in line for line in legend)]
    ok(not missing, "html: a legend with every state", missing)

    def total(what):
        return sum(int(row["text"][2]) for line, row in legend.items() if what in line)
    ok(total("in the depot") == truth["free"] and total("in the caches of lcores") == truth["cached"]
       and total("in the caches of process") == truth["cached"]
       and total("held by process") == truth["held"] and total("lent to device") == truth["lent"]
       and total("retired") == truth["retired"] and int(legend["all"]["text"][2]) == truth["total"],
       "html: and the totals that are counted", legend)
    known = {row["colour"] for row in legend.values()}
    fills = {fill for pairs in coloured.values() for _, fill in pairs}
    ok(fills <= known and all(len({fill for _, fill in coloured.get(state, ())}) >= 2
                              for state in ("held", "lent", "in a cache")),
       "html: each owner has colours of its own, which the legend explains", f"{coloured} {known}")


def check_json(text, truth, pids):
    """The report as JSON."""
    try:
        report = json.loads(text)
    except json.JSONDecodeError as error:
        ok(False, "json: it can be parsed", f"{error}: {text}")
        return
    ok(True, "json: it can be parsed")
    flat = json.dumps(report)
    numbers = {key: report.get(key, report.get("totals", {}).get(key))
               for key in ("total", "free", "cached", "held", "lent", "retired")}
    ok(all(numbers[key] in (None, truth[key]) for key in numbers) and numbers["held"] == truth["held"],
       "json: the totals that are counted", f"{numbers} {truth}")
    ok(all(str(pid) in flat for pid in pids), "json: both processes are in it", flat)


def check_split(brief, text, as_json, drawn):
    """What a device is to receive into and what it is to send (live.c: a quarter), in each way of looking."""
    pairs = [(6, 2), (4, 1)]
    ok(all(f"receiving={r} sending={s}" in brief and f"{r} to receive into, {s} to send" in text
           and f": {r} to receive into, {s} to send" in drawn for r, s in pairs)
       and {(h["receiving"], h["sending"]) for h in json.loads(as_json)["holders"] if h["kind"] == "device"} == set(pairs),
       "what a device receives into and what it sends are told apart", brief + text)


def check_brief(line, truth):
    """The line: its numbers, and that there is one only."""
    totals, *owners = line.rstrip("\n").split("; ")
    numbers = {key: int(value) for key, value in re.findall(r" (\w+)=(\d+)", totals)}
    ok(line.count("\n") == 1 and re.match(r"\d\d:\d\d:\d\d\.\d ", line)
       and all(numbers[key] == truth[key] for key in ("total", "free", "cached", "held", "lent"))
       and numbers["reserve"] <= numbers["free"], "brief: a line with the totals that are counted", line)

    def of(kind, what):
        return sum(int(n) for owner in owners if owner.startswith(kind) for n in re.findall(what + r"=(\d+)", owner))
    ok(of("lcore", "held") + of("process", "held") == truth["held"] and of("lcore", "cached") == truth["cached"]
       and of("device", "receiving") + of("device", "sending") == truth["lent"],
       "brief: and its owners have as many", line)


def follow(*arguments):
    """Starts labyrinth-info looking again and again."""
    return subprocess.Popen([sys.argv[2], NAME, "--every", "0.05", *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def until(watcher, wanted):
    """Reads its lines up to one in which @wanted is found; None if it ends before."""
    return next((line for line in watcher.stdout if re.search(wanted, line)), None)


def check_moving(ask):
    """What is written again and again moves with the pool, in each of the three ways."""
    watchers = {"brief": follow("--brief"), "json": follow("--json"), "text": follow()}
    resting = {"brief": " held=70 ", "json": '"held":70', "text": ", 70 held"}
    moved = {"brief": " held=77 ", "json": '"held":77', "text": ", 77 held"}
    for way, watcher in watchers.items():
        seen = until(watcher, resting[way]) and until(watcher, resting[way])
        ok(seen, f"every, {way}: it looks again")
    ask("take 7")
    for way, watcher in watchers.items():
        ok(until(watcher, moved[way]), f"every, {way}: and what changed has changed")
    ask("take 0")
    ok(until(watchers["brief"], resting["brief"]), "every: and back")
    watchers["brief"].send_signal(signal.SIGINT)
    ok(watchers["brief"].wait(10) == -signal.SIGINT, "every: an interrupt ends it")
    return watchers["text"], watchers["json"]


def check_refused():
    """What makes no sense is refused with a sentence."""
    for arguments, word in ((("--every", "0", NAME), "seconds"), (("--every", "x", NAME), "seconds"),
                            (("--every", "nan", NAME), "seconds"), (("--every", "1e9", NAME), "seconds"),
                            (("--every", "1"), "NAME"), (("--every", "1", "--validate", NAME), "--every"),
                            (("--brief", "--json", NAME), "exclude")):
        status, out, err = look(sys.argv[2], *arguments)
        ok(status not in (0, 1) and not out and word in err, "refused: " + " ".join(arguments), err)
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.argv[2], NAME, "--brief", "--every", "0.05"], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=30, check=False)
    ok(done.returncode == 1 and "cannot be written" in done.stderr, "output that cannot be written ends it", done.stderr)


def main():
    """Looks in every way, and whether that changed anything."""
    live = subprocess.Popen([sys.argv[1], NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    os.environ["LABYRINTH_RUNTIME_DIR"] = live.stdout.readline().strip()

    def ask(what):
        live.stdin.write(what + "\n")
        live.stdin.flush()
        return json.loads(live.stdout.readline())
    before = ask("say")
    ok(before["failed"] == 0 and before["held"] == 70 and before["lent"] == 13 and before["by_counters"],
       "two processes hold, lend and cache frames", before)
    with tempfile.NamedTemporaryFile(suffix=".html") as page:
        text = look(sys.argv[2], NAME)
        as_json = look(sys.argv[2], NAME, "--json")
        valid = look(sys.argv[2], NAME, "--validate")
        drawn = look(sys.argv[2], NAME, "--html", page.name)
        brief = look(sys.argv[2], NAME, "--brief")
        content = open(page.name, encoding="utf-8").read()
    listed = look(sys.argv[2])
    after = ask("say")
    ok(before == after, "no counter has changed for being looked at", f"{before} {after}")
    ok(all(status == 0 and not err for status, _, err in (text, as_json, valid, drawn, brief, listed)),
       "labyrinth-info can look in every way", (text, as_json, valid, drawn, brief, listed))
    ok(NAME in listed[1] and "70 held, 13 lent" in listed[1], "it lists the pool", listed[1])
    ok("in order" in valid[1], "it finds the pool in order", valid[1])
    letters = "".join(line.split()[1] for line in text[1].splitlines() if re.match(r" +\d+  [.A-Za-z]+$", line))
    ok(len(letters) == before["total"] and letters.count("H") == 70 and letters.count("L") == 13,
       "text: a letter for each frame", letters)
    check_json(as_json[1], before, before["pid"])
    check_page(content, before)
    check_brief(brief[1], before)
    check_split(brief[1], text[1], as_json[1], content)
    check_refused()
    watchers = check_moving(ask)
    last = ask("work")
    ok(last["failed"] == 0 and last["in_order"] and last["allocs"] > after["allocs"]
       and (last["held"], last["lent"]) == (70, 13), "both processes work on as before", last)
    live.stdin.close()
    ok(live.wait(30) == 0 and not os.path.exists(os.environ["LABYRINTH_RUNTIME_DIR"]), "and leave nothing")
    for watcher in watchers:
        err = watcher.communicate(timeout=30)[1]
        ok(watcher.returncode == 0 and f"'{NAME}' is gone" in err, "every: it ends with the pool, and says so", err)
    status, _, err = look(sys.argv[2], NAME)
    ok(status == 1 and NAME in err, "of a pool that is gone it says so", err)
    print(f"1..{tests}")
    return failed != 0


sys.exit(main())
