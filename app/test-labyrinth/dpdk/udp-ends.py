#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""Both ends of a wire under test. Resends nothing, but is patient: a busy machine may be slow, not lossy.

udp-ends.py echo PORT                           returns each UDP packet to its sender; says "ready" when it does
udp-ends.py send ADDRESS PORT PACKETS WINDOW    sends so many, of changing sizes, a window of them on their way,
                                                and compares what comes back; status 0: each came once, unchanged
"""

import socket
import struct
import sys

PATIENCE = 10.0  # seconds without a packet, after which the rest is lost
SMALLEST, LARGEST = 18, 1472  # of UDP's payload, for Ethernet's shortest and longest packet
PATTERN = bytes(range(256)) * 8


def make(number):
    """The packet of that number: itself, then bytes from a place that depends on it."""
    size = (SMALLEST, LARGEST)[number % 2] if number % 8 < 2 else SMALLEST + number * 131 % (LARGEST - SMALLEST)
    start = number % 251
    return struct.pack("!Q", number) + PATTERN[start : start + size - 8]


def echo(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("0.0.0.0", port))
        print("ready", flush=True)
        while True:
            packet, sender = end.recvfrom(2048)
            end.sendto(packet, sender)


def send(address, port, packets, window):
    sent, waited_for, wrong = 0, set(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.connect((address, port))
        end.settimeout(PATIENCE)
        try:
            while sent < packets or waited_for:
                while sent < packets and len(waited_for) < window:
                    end.send(make(sent))
                    waited_for.add(sent)
                    sent += 1
                packet = end.recv(2048)
                number = struct.unpack("!Q", packet[:8])[0]
                if number in waited_for and packet == make(number):
                    waited_for.remove(number)
                else:
                    wrong += 1
        except OSError as error:
            print(error)
    print(f"{sent} packets sent, {len(waited_for)} not returned, {wrong} changed or returned twice")
    return sent < packets or waited_for or wrong


def main(argv):
    if len(argv) == 2 and argv[0] == "echo":
        return echo(int(argv[1]))
    if len(argv) == 5 and argv[0] == "send":
        return 1 if send(argv[1], *map(int, argv[2:])) else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
