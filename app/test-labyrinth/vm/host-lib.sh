# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# In the guest: commands for the host's side of the wire, where e1000e-host.sh runs them. Knows nothing of what they do.
# shellcheck shell=bash

# In a file: a subshell counts too.
jobs=$(mktemp)
echo 0 >"$jobs"

# ask_host COMMAND: run it at the other end of the wire, in the background.
ask_host() {
	local job
	job=$(($(cat "$jobs") + 1))
	echo $job >"$jobs"
	vm-host signal "job$job" "$1"
}

# answer_of_host: waits for its end; prints what it said; returns its status.
answer_of_host() {
	local answer
	answer=$(vm-host wait "done$(cat "$jobs")" 130) || return 1
	printf '%s\n' "${answer#* }"
	return "${answer%% *}"
}

# on_host COMMAND: both.
on_host() {
	ask_host "$1"
	answer_of_host
}
