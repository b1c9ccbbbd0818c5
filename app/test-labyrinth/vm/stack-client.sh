#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Clients of the network stack, by curl and socat on the kernel's own stack: on the host (stack-nic.sh) or in another
# network namespace (stack-netem.sh). Knows nothing of who serves them, or of the wire.
#
#   stack-client.sh fetch TIMES URL SUM     all at once, each has that sha256; prints the seconds of each
#   stack-client.sh echo TIMES HOST PORT    connections of random sizes to 64 KiB, all at once, compared by the byte
#   stack-client.sh outlive HOST PORT [VERB ...]    one that is there before such a command, and is used again after it
#
# Each client has PATIENCE seconds, 100 if that is not set.
set -euo pipefail

patience=${PATIENCE:-100}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# both FILE HOST PORT: sends what comes on stdin, writes what comes back to FILE.
both() { timeout -k 5 "$patience" socat -t "$patience" - "TCP:$2:$3" >"$1"; }

# all PID...: waits for each; whether all of them succeeded.
all() {
	local pid failed=0
	for pid in "$@"; do wait "$pid" || failed=1; done
	return "$failed"
}

do_fetch() {
	local times=$1 url=$2 sum=$3 n pids=() failed=0
	for ((n = 0; n < times; n++)); do
		curl -sS -w '%{stderr}%{time_total} s\n' --max-time "$patience" "$url" 2>"said$n" | sha256sum >"sum$n" &
		pids+=($!)
	done
	all "${pids[@]}" || failed=1
	sort -n said* | paste -sd ' '
	for ((n = 0; n < times; n++)); do
		[ "$(cut -d ' ' -f 1 "sum$n")" = "$sum" ] || {
			echo "transfer $n differs"
			failed=1
		}
	done
	return "$failed"
}

do_echo() {
	local times=$1 n bytes pids=() failed=0
	for ((n = 0; n < times; n++)); do
		bytes=$((n ? (RANDOM << 15 | RANDOM) % 65536 + 1 : 65536))
		head -c "$bytes" /dev/urandom >"out$n"
		both "back$n" "$2" "$3" <"out$n" &
		pids+=($!)
	done
	all "${pids[@]}" || failed=1
	for ((n = 0; n < times; n++)); do
		cmp "out$n" "back$n" || failed=1
	done
	return "$failed"
}

do_outlive() {
	local host=$1 port=$2 pid failed=0
	shift 2
	head -c 40000 /dev/urandom >out
	mkfifo pipe
	both back "$host" "$port" <pipe &
	pid=$!
	exec 3>pipe
	head -c 20000 out >&3
	for ((i = 0; i < patience * 10; i++)); do
		[ "$(stat -c %s back 2>/dev/null)" != 20000 ] || break
		sleep 0.1
	done
	"do_$1" "${@:2}" || failed=1
	tail -c 20000 out >&3
	exec 3>&-
	wait "$pid" || failed=1
	cmp out back || failed=1
	return "$failed"
}

case ${1-} in
fetch | echo | outlive) "do_$1" "${@:2}" ;;
*)
	sed -n '8,10s/^# *//p' "$0" >&2
	exit 2
	;;
esac
