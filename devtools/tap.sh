# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# What a test suite of this folder is made of: it prints TAP on stdout, one line a case, and ends with
# finish.
# shellcheck shell=bash

# shellcheck source=devtools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cases=0
test_dir=$top/build-test

ok() {
	cases=$((cases + 1))
	say "ok - $1"
}

# not_ok NAME [FILE]: a failed case; the reason is what FILE says of errors, or else its end.
not_ok() {
	cases=$((cases + 1))
	say "not ok - $1"
	[ $# -lt 2 ] || { grep -m 20 -E '(^|[^a-z])(error|warning):' "$2" || tail -n 20 "$2"; } | awk '{ print "# " $0 }'
}

skip() {
	cases=$((cases + 1))
	say "ok - $1 # SKIP $2"
}

# check NAME COMMAND...: a case that passes if the command succeeds.
check() {
	local name=$1 log=$test_dir/log/check.$$
	shift
	mkdir -p "$test_dir/log"
	if attended "$@" >"$log" 2>&1; then ok "$name"; else not_ok "$name" "$log"; fi
	rm -f "$log"
}

finish() {
	say "1..$cases"
	exit 0
}

# skip_unless PROGRAM|MODULE.pc REASON...: ends the suite, skipped, where that is not installed.
skip_unless() {
	case $1 in
	*.pc) pkg-config --exists "${1%.pc}" && return ;;
	*) have "$1" && return ;;
	esac
	shift
	skip all "$*"
	finish
}

# test_build NAME [OPTION...]: builds build-test/NAME with warnings as errors; ends the suite if it fails.
test_build() {
	local dir=$test_dir/$1 name=$1 log=$test_dir/log/build-$1.log
	shift
	mkdir -p "$test_dir/log"
	if ! meson_build "$dir" -Dwerror=true "$@" 2>"$log"; then
		not_ok "build $name" "$log"
		finish
	fi
}

# lwip_build NAME [OPTION...]: build-test/NAME, with lwIP from its source. 1, with the reason in lwip_why, where that
# cannot be had.
lwip_build() {
	local name=$1 source
	shift
	if ! source=$("$top/devtools/lwip-source.sh" 2>"$test_dir/log/lwip.why"); then
		# shellcheck disable=SC2034 # whoever called
		lwip_why=$(tail -n 1 "$test_dir/log/lwip.why")
		return 1
	fi
	test_build "$name" -Dlwip_source="$source" -Dtests=disabled -Ddpdk=disabled "$@"
}

# Sanitizers place their shadow where randomised mappings may lie. Replaces the shell: for attended.
no_aslr() {
	! setarch -R true 2>/dev/null || set -- setarch -R "$@"
	exec "$@"
}

# meson_suite NAME SUITE [OPTION...]: runs one of meson's suites in build-test/NAME, counted by case.
meson_suite() {
	local dir=$test_dir/$1 suite=$2
	shift 2
	rm -f "$dir/meson-logs/$suite".*
	attended no_aslr meson test -C "$dir" --no-rebuild --suite "$suite" --logbase "$suite" \
		--num-processes 1 "$@" >/dev/null 2>&1 || true
	python3 "$top/devtools/tally.py" meson "$dir" "$suite"
}

# stage: installs build-test/gcc into build-test/stage, as a package would be made.
stage() {
	test_build gcc
	stage=$test_dir/stage
	rm -rf "$stage"
	meson install -C "$test_dir/gcc" --no-rebuild --quiet --destdir "$stage" >"$test_dir/log/stage.log" 2>&1 || {
		not_ok "meson install" "$test_dir/log/stage.log"
		finish
	}
	prefix=$stage/usr/local
	PKG_CONFIG_PATH=$(dirname "$(find "$stage" -name labyrinth.pc)")
	export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR=$stage
}

# public_functions: "exported NAME" or "inline NAME" for each function of the staged headers.
public_functions() {
	local list=$test_dir/log/functions
	find "$prefix/include" -name '*.h' -printf '#include "%p"\n' |
		gcc -x c - -D_GNU_SOURCE -I "$prefix/include" -fsyntax-only -aux-info "$list"
	grep -F "$prefix/include/" "$list" |
		sed -nE 's/^.*:NC \*\/ [^(]*\b(lab_\w+|labyrinth_\w+) \(.*/exported \1/p
			s/^.*:NF \*\/ [^(]*\b(lab_\w+|labyrinth_\w+) \(.*/inline \1/p' | sort -u
}

# tap_of NAME LIMIT COMMAND...: the cases of a program that prints TAP, called NAME.
tap_of() {
	local name=$1 limit=$2 log status=0 line
	log=$test_dir/log/$(basename "$0")-${1%% *}.log
	shift 2
	attended timeout "$limit" "$@" >"$log" 2>&1 || status=$?
	while IFS= read -r line; do
		case $line in
		"ok "*) ok "$name: ${line#ok * - }" ;;
		"not ok "*) not_ok "$name: ${line#not ok * - }" ;;
		"1..0 # SKIP"*) skip "$name" "${line#*# SKIP }" ;;
		"# "*) say "$line" ;;
		esac
	done <"$log"
	grep -q '^1\.\.' "$log" || not_ok "$name: it did not end (status $status)" "$log"
}
