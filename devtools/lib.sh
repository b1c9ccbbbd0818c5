# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Shell functions that the scripts of this folder share. Source it; it changes no setting of yours
# but the traps: whatever was registered with at_exit runs once, last first, however the script ends.
# shellcheck shell=bash

# Debian's su leaves these out, and ip and ethtool live there.
PATH=$PATH:/usr/sbin:/sbin
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
	warn "$*"
	exit 1
}
is_root() { [ "$(id -u)" -eq 0 ]; }
have() { command -v "$1" >/dev/null 2>&1; }

# ---- at exit ----

exit_actions=()

# at_exit COMMAND: a command line to run when the script ends, for any reason but SIGKILL.
at_exit() { exit_actions+=("$1"); }

run_exit_actions() {
	local status=$? i
	trap '' INT TERM HUP
	trap - EXIT
	set +e
	for ((i = ${#exit_actions[@]} - 1; i >= 0; i--)); do
		eval "${exit_actions[i]}"
	done
	exit "$status"
}
trap run_exit_actions EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- child processes ----

children=()

# stop PID: ends a process that this script started, and waits for it.
stop() {
	local pid=$1 i
	kill -TERM "$pid" 2>/dev/null || return 0
	for ((i = 0; i < 50; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}

stop_children() {
	local pid
	for pid in "${children[@]}"; do stop "$pid"; done
}
# attended COMMAND...: like running it, but a signal to this script is answered at once: bash would
# otherwise wait for the command to end first. Its status is the command's.
attended() {
	local status=0
	"$@" &
	children+=($!)
	wait "${children[-1]}" || status=$?
	unset 'children[-1]'
	return "$status"
}

# ---- building ----

# meson_build DIR [OPTION...]: configures DIR (again, if it is there) and builds it; quiet if it works.
meson_build() {
	local dir=$1 log
	shift
	mkdir -p "$dir"
	log=$dir/build.log
	if [ -f "$dir/meson-private/coredata.dat" ]; then
		meson setup --reconfigure "$dir" "$top" "$@" >"$log" 2>&1 ||
			meson setup --wipe "$dir" "$top" "$@" >"$log" 2>&1 || meson_failed "$log" || return 1
	else
		meson setup "$dir" "$top" "$@" >"$log" 2>&1 || meson_failed "$log" || return 1
	fi
	ninja -C "$dir" >>"$log" 2>&1 || meson_failed "$log"
}

meson_failed() {
	warn "The build failed; the end of $1:"
	tail -n 30 "$1" >&2
	return 1
}

# ---- hugepages of 2 MiB ----

hugepage_dir=/sys/kernel/mm/hugepages/hugepages-2048kB
hugepages_added=0

# Hugepages that nobody uses and nobody was promised.
hugepages_free() {
	if [ -r $hugepage_dir/free_hugepages ]; then
		echo $(($(cat $hugepage_dir/free_hugepages) - $(cat $hugepage_dir/resv_hugepages)))
	else
		echo 0
	fi
}

hugepages_lost="What is lost: frames have no known physical address, and every figure is a little worse."

# hugepages_ensure N [MIN]: sees to it that N hugepages are free, or as many as half of the available
# memory holds; the ones it adds are given back when the script ends. Always says how it went, and
# returns 1 only if fewer than MIN (default 1) are free in the end.
hugepages_ensure() {
	local want=$1 min=${2:-1} free total got room why
	free=$(hugepages_free)
	if [ ! -d $hugepage_dir ]; then
		say "This kernel has no hugepages of 2 MiB: going on with ordinary pages. $hugepages_lost"
		return 1
	fi
	if [ "$free" -ge "$want" ]; then
		say "$free hugepages of 2 MiB are free: nothing to reserve."
		return 0
	fi
	room=$(awk '/^MemAvailable:/ { print int($2 / 2 / 2048) }' /proc/meminfo)
	[ $((want - free)) -le "$room" ] || want=$((free + room))
	if [ "$want" -gt "$free" ]; then
		total=$(cat $hugepage_dir/nr_hugepages)
		if ! hugepages_set $((total + want - free)); then
			why=$(is_root && echo "the kernel's setting is read-only here" || echo "only root may")
			if [ "$free" -eq 0 ]; then
				say "No hugepages, and none can be reserved ($why): going on with ordinary pages." \
					"$hugepages_lost"
			else
				say "$free hugepages of 2 MiB are free, fewer than the $1 wanted, and more cannot be" \
					"reserved ($why): the largest pools may lie on ordinary pages."
			fi
			[ "$free" -ge "$min" ]
			return
		fi
		got=$(($(cat $hugepage_dir/nr_hugepages) - total))
		hugepages_added=$((hugepages_added + (got > 0 ? got : 0)))
	fi
	free=$(hugepages_free)
	if [ "$free" -lt "$min" ]; then
		say "No contiguous memory for hugepages: going on with ordinary pages. $hugepages_lost"
		return 1
	elif [ "$free" -lt "$1" ]; then
		say "$free hugepages of 2 MiB are free, fewer than the $1 wanted: the largest pools may lie on" \
			"ordinary pages."
	else
		say "Reserved $hugepages_added hugepages of 2 MiB; they are given back at the end."
	fi
}

# The kernel takes what it finds; compacting memory first finds more.
hugepages_set() {
	{ echo "$1" >$hugepage_dir/nr_hugepages; } 2>/dev/null || return 1
	if [ "$(cat $hugepage_dir/nr_hugepages)" -lt "$1" ]; then
		{ echo 1 >/proc/sys/vm/compact_memory; } 2>/dev/null || true
		{ echo "$1" >$hugepage_dir/nr_hugepages; } 2>/dev/null || true
	fi
}

# Gives back as many as were added, so that what others reserved meanwhile stays theirs.
hugepages_restore() {
	local total
	[ "$hugepages_added" -gt 0 ] || return 0
	total=$(cat $hugepage_dir/nr_hugepages)
	echo $((total > hugepages_added ? total - hugepages_added : 0)) >$hugepage_dir/nr_hugepages
	hugepages_added=0
}

at_exit hugepages_restore
at_exit stop_children
