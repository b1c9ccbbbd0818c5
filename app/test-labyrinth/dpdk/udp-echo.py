#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""udp-echo.py PORT: returns each UDP packet to its sender. Says "ready" when it does."""

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
    echo.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    echo.bind(("0.0.0.0", int(sys.argv[1])))
    print("ready", flush=True)
    while True:
        packet, sender = echo.recvfrom(2048)
        echo.sendto(packet, sender)
