#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# The host's side of smoke.sh: says what it was told, and who its end of the wire is.
set -euo pipefail

said=$(vm-guest wait question 120)

vm-guest signal answer "$said: $(cat /sys/class/net/vm0/operstate) $(ip -o -4 address show vm0 | awk '{ print $4 }')"
