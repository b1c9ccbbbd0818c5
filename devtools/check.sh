#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Style and static analysis, one line of TAP a tool and file. Needs no root; `devtools/setup.sh check`
# installs the tools, and what is not installed is skipped. With LONG=1 clang-tidy reads the tests, too.
set -euo pipefail
# shellcheck source=devtools/tap.sh
. "$(dirname "$0")/tap.sh"
cd "$top"

mapfile -t sources < <(find lib drivers examples app -name '*.[ch]' | sort)
mapfile -t units < <(printf '%s\n' "${sources[@]}" | grep '\.c$')
mapfile -t scripts < <(find devtools .ci app examples -type f -exec grep -lE '^#!.*bash|^# shellcheck shell=bash' {} + | sort)

# ---- layers: each knows only what is below it ----

# includes PATTERN PATH...: the #include lines of a path that match.
includes() {
	local pattern=$1
	shift
	grep -rnE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($pattern)" "$@" || true
}

# none NAME LINES: a case that passes when there are no such lines.
none() {
	if [ -z "$2" ]; then
		ok "$1"
	else
		not_ok "$1"
		say "# ${2//$'\n'/$'\n'# }"
	fi
}

none "layers: the library knows no driver, no DPDK, no XDP, no network" \
	"$(includes 'rte_|xdp/|bpf/|linux/if_|net/|netinet/|drivers/|.*netdev|.*af_xdp' lib)"
none "layers: public headers include only the C library and each other" \
	"$(includes '.*' lib/labyrinth/include | grep -vE '"lab_[a-z]+\.h"|<[a-z]+\.h>' || true)"
none "layers: DPDK appears only in drivers/mempool, labyrinth-perf, its examples and its tests" \
	"$(includes 'rte_' lib drivers examples app |
		grep -vE '^(drivers/mempool|app/labyrinth-perf|examples/dpdk|app/test-labyrinth/(dpdk|vm))' || true)"
# error.h alone is shared with this tree's drivers, for the sentence of their errors.
private=$(cd lib/labyrinth && ls ./*.h dma/*.h share/*.h | sed 's|.*/||; s|\.h$||' | grep -vx error | tr '\n' '|')
none "layers: programs outside the library use its public headers only" \
	"$(includes "([^>\"]*/)?(${private%|})\.h|\.\./.*lib/|lib/labyrinth/" drivers examples app/labyrinth-perf)"
# The order of floors is that of lib/labyrinth/meson.build; doc/internals.md names the exceptions.
upward=
below=" error "
for path in $(sed -n "s/^  '\([a-z_0-9/]*\)\.c',$/\1/p" lib/labyrinth/meson.build); do
	unit=${path##*/}
	for header in $(sed -nE 's/^#include "(share\/)?([a-z_0-9]*)\.h"/\2/p' lib/labyrinth/"$path".[ch] | sort -u); do
		case $path:$header in
		*:pool | *:bulk | *:breath_inside | dma/*:iommu | bundle:cache | cache:bundle | share/reap:process) continue ;; # see there
		esac
		[[ "$below $unit " == *" $header "* ]] || upward+="$unit knows $header"$'\n'
	done
	below+="$unit "
done
none "layers: a file of the library knows only the floors below it" "${upward%$'\n'}"

# ---- the scripts themselves ----

check "tally.py counts what ends badly" env PYTHONDONTWRITEBYTECODE=1 python3 devtools/tally_test.py

# ---- format ----

if have clang-format; then
	for file in "${sources[@]}"; do
		check "clang-format: $file" clang-format --dry-run -Werror "$file"
	done
else
	skip "clang-format" "clang-format is not installed"
fi

# ---- analysis ----

if have cppcheck; then
	check "cppcheck" cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -j "$(nproc)" \
		--enable=warning,performance,portability --suppressions-list="devtools/cppcheck.suppressions" \
		-D_GNU_SOURCE -D__x86_64__ -I lib/labyrinth/include lib drivers examples app
else
	skip "cppcheck" "cppcheck is not installed"
fi

if have clang-tidy && have clang; then
	CC=clang test_build clang
	# Only what this build compiles: without DPDK or libxdp there is no command for some files.
	compiled=()
	for file in "${units[@]}"; do
		# It takes as long with the tests as with all that is shipped: they are for the long form.
		[[ ${LONG-} || $file != app/test-* ]] || continue
		grep -q "/$file\"" "$test_dir/clang/compile_commands.json" && compiled+=("$file") ||
			skip "clang-tidy: $file" "not part of this build (a library that it needs is not installed)"
	done
	# All cores at it; what it says of each file stands in a file of its own, and .ok beside it if that is nothing.
	tidied=$(mktemp -d)
	at_exit "rm -rf '$tidied'"
	printf '%s\0' "${compiled[@]}" >"$tidied/.list"
	# shellcheck disable=SC2016 # for the inner shell
	attended xargs -0 -a "$tidied/.list" -P "$(nproc)" -I '{}' bash -c '
		log=$2/${3//\//_}
		# The checks of a test are branches: the analyzer may take 20000 steps there, not 225000.
		brief=(--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=20000)
		[[ $3 == app/test-* ]] || brief=()
		clang-tidy -p "$1/clang" --config-file=devtools/clang-tidy.yaml --quiet --warnings-as-errors="*" "${brief[@]}" "$3" >"$log" 2>&1 &&
			touch "$log.ok"' tidy "$test_dir" "$tidied" '{}' || true
	tidy() { cat "$tidied/${1//\//_}" && [ -e "$tidied/${1//\//_}.ok" ]; }
	for file in "${compiled[@]}"; do check "clang-tidy: $file" tidy "$file"; done
else
	skip "clang-tidy" "clang-tidy is not installed"
fi

if have shellcheck; then
	for file in "${scripts[@]}"; do
		check "shellcheck: $file" shellcheck -x -S warning "$file"
	done
else
	skip "shellcheck" "shellcheck is not installed"
fi
finish
