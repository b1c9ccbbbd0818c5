#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""Has QEMU's edu device, which no driver holds, write 64 bytes to an address: edu-write.py PCI-ADDRESS ADDRESS

The registers are those of QEMU's docs/specs/edu: 0x80 source, 0x88 destination, 0x90 count, 0x98 command
(1: go, 2: from the device's own memory, which lies at 0x40000).
"""

import mmap
import os
import struct
import sys
import time

device = "/sys/bus/pci/devices/" + sys.argv[1]
with open(device + "/enable", "w", encoding="ascii") as enable:
    enable.write("1")
with open(device + "/config", "r+b", buffering=0) as config:
    os.pwrite(config.fileno(), struct.pack("<H", 6), 4)  # memory and bus mastering on
with open(device + "/resource0", "r+b", buffering=0) as bar:
    registers = memoryview(mmap.mmap(bar.fileno(), 4096)).cast("Q")
for register, value in (0x80, 0x40000), (0x88, int(sys.argv[2], 0)), (0x90, 64), (0x98, 3):
    registers[register // 8] = value
while registers[0x98 // 8] & 1:
    time.sleep(0.01)
with open(device + "/enable", "w", encoding="ascii") as enable:
    enable.write("0")
