#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""The host's side of a VM of the lab: starts QEMU, passes output on, answers the guest's requests,
watches the clock. devtools/vm.sh prepares everything and starts it; it knows no kernel and no suite.

host.py FOLDER LOG SECONDS COMPANION -- QEMU...

FOLDER has a file "devices" (for each device that can be unplugged: its name, a blank, what device_add
takes) and a folder "signals". "@out", "@err", "@control", "@console" and "@qmp" in QEMU's arguments
become inherited sockets. LOG.console gets the guest's kernel log, LOG.qemu QEMU's messages, LOG.host the
COMPANION's output, a program ("" for none) that runs from the moment the guest is up to its end.

The exit status is that of the guest's command, 124 after SECONDS, 125 if the guest or QEMU died.
"""

import ctypes
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time

HUNG, DIED = 124, 125
TAIL = 60  # lines of a log that are shown
CROWD = 256  # connections that may wait until QEMU accepts them, on each port that it forwards
PIDFD_GETFD = 438  # the same on all processors


class Lab:
    def __init__(self, folder, log, seconds, companion, command):
        self.folder, self.log, self.seconds, self.companion = folder, log, seconds, companion
        self.devices, self.gone = {}, set()
        with open(os.path.join(folder, "devices"), encoding="utf-8") as file:
            for line in file:
                name, _, definition = line.strip().partition(" ")
                self.devices[name] = definition
        self.status = None  # of the guest's command
        self.why = None  # why the guest gave up
        self.ready = None  # when the guest was up
        self.host = None  # the companion's process
        self.lines = {"control": b"", "qmp": b""}  # what came of a line that is not complete
        self.answers = []  # QMP's, in order
        self.selector = selectors.DefaultSelector()
        self.ends = {}
        theirs = {}
        for name in ("out", "err", "control", "console", "qmp"):
            self.ends[name], theirs[name] = socket.socketpair()
            command = [a.replace("@" + name, f"socket,id={name},fd={theirs[name].fileno()}") for a in command]
            self.selector.register(self.ends[name], selectors.EVENT_READ, name)
        self.started = time.monotonic()
        with open(log + ".qemu", "wb") as messages:
            self.qemu = subprocess.Popen(
                command, stderr=messages, pass_fds=[end.fileno() for end in theirs.values()]
            )
        for end in theirs.values():
            end.close()
        self.console = open(log + ".console", "wb")

    # ---- QMP ----

    def qmp(self, execute, **arguments):
        """Has QEMU do something; returns its answer, or None if it is gone."""
        self.answers.clear()
        try:
            self.ends["qmp"].sendall(json.dumps({"execute": execute, "arguments": arguments}).encode())
        except OSError:
            return None
        until = time.monotonic() + 5
        while not self.answers and time.monotonic() < until and self.pump(0.1):
            pass
        return self.answers.pop() if self.answers else None

    def monitor(self, line):
        """A line for QEMU's human monitor. Returns what it complains of, or ""."""
        answer = self.qmp("human-monitor-command", **{"command-line": line})
        return (answer or {}).get("return", "QEMU does not answer").strip()

    def on_qmp(self, line):
        message = json.loads(line)
        if message.get("event") == "DEVICE_DELETED":
            self.gone.add(message["data"].get("device"))
        elif "return" in message or "error" in message:
            self.answers.append(message)

    # ---- the guest's requests, one line each: a number, a verb, the rest. The answer repeats the number ----

    def on_control(self, line):
        number, verb, rest = (line.decode(errors="replace").strip() + "  ").split(" ", 2)
        rest = rest.rstrip()
        request = getattr(self, "do_" + verb.replace("-", "_"), None)
        error = request(rest) if request else f"error no such request: {verb}"
        try:
            self.ends["control"].sendall(f"{number} {error or 'ok'}\n".encode())
        except OSError:
            pass

    def do_ready(self, _):
        self.ready = time.monotonic()
        forwards = self.forwards()
        for inside, (_, listener) in forwards.items():
            self.let_wait(inside, listener)
        if self.companion:
            environment = dict(os.environ, VM_SIGNALS=self.signals(), VM_LOG=os.path.dirname(self.log))
            environment.update((f"VM_FORWARD_{inside}", port) for inside, (port, _) in forwards.items())
            environment["PATH"] = os.path.join(os.path.dirname(__file__), "host") + ":" + os.environ["PATH"]
            with open(self.log + ".host", "wb") as output:
                self.host = subprocess.Popen(
                    [self.companion], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    env=environment, start_new_session=True,
                )

    def do_exit(self, status):
        self.status = int(status)

    def do_fatal(self, why):
        self.why = why

    def do_unplug(self, name):
        if name not in self.devices:
            return "error only these can be unplugged: " + (" ".join(self.devices) or "none")
        complaint = self.monitor("device_del " + name)
        return complaint and "error " + complaint.splitlines()[0]

    def do_is_gone(self, name):
        return "ok" if name in self.gone else "no"

    def do_plug(self, name):
        if name not in self.gone:
            return "error only what was unplugged can be plugged; now that is: " + (" ".join(self.gone) or "none")
        complaint = self.monitor("device_add " + self.devices[name])
        self.gone -= set() if complaint else {name}
        return complaint and "error " + complaint.splitlines()[0]

    def forwards(self):
        """For ports of the guest: the port of the host's 127.0.0.1 that leads there, and QEMU's file descriptor of it."""
        line = r"HOST_FORWARD\]\s+(\d+)\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)"
        return {inside: (port, int(fd)) for fd, port, inside in re.findall(line, self.monitor("info usernet"))}

    def let_wait(self, inside, listener):
        """QEMU's network (libslirp) has room for one connection that it has not accepted yet. Where it is slow to accept
        them, as a busy machine makes it, the host's kernel answers the next ones with SYN cookies, forgets them, and later
        resets some that it had told they were connected, of which the guest never hears. So they get more room."""
        pidfd = -1
        try:
            pidfd = os.pidfd_open(self.qemu.pid)
            end = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, listener, 0)
            if end < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            with socket.socket(fileno=end) as theirs:
                theirs.listen(CROWD)
        except OSError as error:
            print(
                f"vm: QEMU's port for {inside} keeps room for one waiting connection, and may lose some: {error}",
                file=sys.stderr,
            )
        finally:
            if pidfd >= 0:
                os.close(pidfd)

    def do_forwarded(self, inside):
        port, _ = self.forwards().get(inside, ("", -1))
        return "ok " + port if port else f"error port {inside} is not forwarded: devtools/vm.sh --forward {inside}"

    def signals(self, name=""):
        return os.path.join(self.folder, "signals", os.path.basename(name))

    def do_signal(self, rest):
        name, _, text = rest.partition(" ")
        with open(self.signals("new"), "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.rename(self.signals("new"), self.signals(name + ".to-host"))

    def do_wait(self, name):
        path = self.signals(name + ".to-guest")
        if not os.path.exists(path):
            return "no"
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.readline().strip()
        os.unlink(path)
        return "ok " + text

    # ---- the loop ----

    def pump(self, seconds):
        """Handles what has come in. Returns whether QEMU may still say something."""
        for key, _ in self.selector.select(seconds):
            name = key.data
            try:
                data = key.fileobj.recv(65536)
            except OSError:
                data = b""
            if not data:
                self.selector.unregister(key.fileobj)
            elif name in ("out", "err"):
                self.write(1 if name == "out" else 2, data)
            elif name == "console":
                self.console.write(data)
                self.console.flush()
            else:
                *lines, self.lines[name] = (self.lines[name] + data).split(b"\n")
                for line in lines:
                    (self.on_control if name == "control" else self.on_qmp)(line)
        return bool(self.selector.get_map())

    @staticmethod
    def write(fd, data):
        try:
            while data:
                data = data[os.write(fd, data):]
        except BrokenPipeError:  # nobody reads it any more
            pass

    def where(self):
        """Has the hung guest's kernel say what the processors do and which tasks are blocked."""
        for key in b"l", b"w":
            self.qmp("chardev-send-break", id="console")
            try:
                self.ends["console"].sendall(key)
            except OSError:
                return
            until = time.monotonic() + 1
            while time.monotonic() < until and self.pump(0.2):
                pass

    def run(self):
        self.qmp("qmp_capabilities")
        while self.status is None and not self.why and self.pump(0.5):
            if self.seconds and time.monotonic() - self.started > self.seconds:
                self.where()
                return self.report(HUNG, f"The VM did not end within {self.seconds} seconds")
        if self.why:
            return self.report(DIED, "The guest gave up: " + self.why)
        if self.status is None:
            return self.report(DIED, f"The VM ended before its command did ({self.how()})")
        return self.status

    def how(self):
        """How QEMU ended: nothing but a guest that reset or powered off has it exit with 0."""
        try:
            status = self.qemu.wait(5)
        except subprocess.TimeoutExpired:
            return "QEMU is still there"
        return f"QEMU: {signal.Signals(-status).name}" if status < 0 else f"QEMU's exit status: {status}"

    def report(self, status, sentence):
        self.end()
        stage = "while the command ran" if self.ready else "while the guest booted"
        for suffix, what in (".qemu", "QEMU's messages"), (".console", "the guest's kernel log"), (".host", "the companion"):
            try:
                with open(self.log + suffix, encoding="utf-8", errors="replace") as file:
                    lines = [line.rstrip() for line in file if line.strip()]
            except FileNotFoundError:
                continue
            if lines:
                print(f"The end of {what} ({self.log}{suffix}):", *lines[-TAIL:], sep="\n  ", file=sys.stderr)
        print(f"{sentence}, {stage}.", file=sys.stderr)
        return status

    def end(self):
        if self.host and self.host.poll() is None:
            os.killpg(self.host.pid, signal.SIGKILL)
            self.host.wait()
        self.qemu.kill()
        self.qemu.wait()
        while self.pump(0):  # what is left in the sockets
            pass
        with open(self.log + ".times", "w", encoding="utf-8") as file:
            boot = self.ready - self.started if self.ready else -1
            print(f"boot {boot:.1f} s, all {time.monotonic() - self.started:.1f} s", file=file)


def main(argv):
    if len(argv) < 6 or argv[4] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    lab = Lab(argv[0], argv[1], int(argv[2]), argv[3], argv[5:])
    try:
        return lab.run()
    finally:
        lab.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
