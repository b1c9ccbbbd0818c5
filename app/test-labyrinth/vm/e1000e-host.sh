#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# The host's side of the NIC suites, in the network namespace at the other end of the wire (with --net user: on the
# host itself): runs one command after another that the guest asks for by on_host (host-lib.sh), and answers with the
# exit status and what was said, on one line.
set -euo pipefail

for ((job = 1;; job++)); do
	command=$(vm-guest wait "job$job" 600)
	status=0
	said=$(timeout -k 5 120 bash -c "$command" 2>&1) || status=$?
	printf '%s\n%s\nstatus %s\n' "$command" "$said" "$status"
	vm-guest signal "done$job" "$status ${said//$'\n'/ | }"
done
