#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Builds with warnings as errors, runs the test suites and counts their cases.
#
#   devtools/test.sh             all suites
#   devtools/test.sh unit net    these
#   devtools/test.sh recover --long    some suites have a form for the night
#   devtools/test.sh --list      what there is
#
# A suite is a program in devtools/suites that prints TAP. The last line is the sum of all suites; the
# exit status is 0 if nothing failed. Logs stay in build-test/log.
set -euo pipefail
exec </dev/null
# shellcheck source=devtools/lib.sh
. "$(dirname "$0")/lib.sh"

all=(unit clang asan tsan recover gfp stack models net dpdk vm headers install nodpdk docs check instructions perf)
suite_dir=$top/devtools/suites
log=$top/build-test/log

# In seconds. The VM's suites may have to build a kernel first, and boot some dozens of times.
limit_of() {
	case $1 in
	vm) [ "${LONG-}" ] && echo 10800 || echo 5400 ;;
	recover) [ "${LONG-}" ] && echo 7200 || echo 600 ;;
	stack) [ "${LONG-}" ] && echo 5400 || echo 2400 ;;
	dpdk) [ "${LONG-}" ] && echo 1800 || echo 600 ;;
	*) echo 600 ;;
	esac
}

describe() { sed -n '2s/^# //p' "$suite_dir/$1"; }

list() {
	local suite
	for suite in "${all[@]}"; do printf '%-14s%s\n' "$suite" "$(describe "$suite")"; done
}

case ${1-} in
--list)
	list
	exit 0
	;;
-h | --help)
	sed -n '5,14s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac
arguments=()
for argument in "$@"; do
	if [ "$argument" = --long ]; then export LONG=1; else arguments+=("$argument"); fi
done
set -- "${arguments[@]}"
for suite in "$@"; do
	[[ " ${all[*]} " == *" $suite "* ]] ||
		die "No suite is called '$suite'. There are:"$'\n'"$(list)"
done
[ $# -gt 0 ] && suites=("$@") || suites=("${all[@]}")

"$top/devtools/setup.sh"
hugepages_ensure 1024 || true
is_root || say "Not root: tests that need namespaces or physical addresses skip themselves and say so."
have python3 || die "python3 is missing; it counts the tests. To install it: apt-get install python3"

mkdir -p "$log"
# The VM's kernel takes minutes to build: with what the suites before it leave of the processors. The suite waits for it.
if [[ " ${suites[*]} " == *" vm "* ]] && is_root && have qemu-system-x86_64; then
	nice -n 19 "$top/devtools/vm/kernel.sh" small >"$log/kernel.log" 2>&1 &
	children+=($!)
fi
counts=$log/counts
: >"$counts"
export TEST_SUITES="${suites[*]}"
for suite in "${suites[@]}"; do
	say "== $suite: $(describe "$suite")"
	status=0
	started=$SECONDS
	attended timeout -k 10 "$(limit_of "$suite")" "$suite_dir/$suite" >"$log/$suite.tap" 2>"$log/$suite.err" || status=$?
	[ "$status" -eq 0 ] || tail -n 20 "$log/$suite.err"
	python3 "$top/devtools/tally.py" suite "$suite" "$log/$suite.tap" "$status" "$counts"
	say "  ($((SECONDS - started)) s; log: build-test/log/$suite.tap)"
done

python3 "$top/devtools/tally.py" total "$counts"
