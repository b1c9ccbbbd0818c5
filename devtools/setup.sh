#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Installs the Debian packages that are missing.
#
#   devtools/setup.sh [GROUP...]     build perf dpdk af_xdp lwip stack tests check vm; default: all
#
# The group "build" is needed, every other one can be done without: where its packages cannot be had
# (no root, no network, another distribution), a sentence says so and the script succeeds.
set -euo pipefail
# shellcheck source=devtools/lib.sh
. "$(dirname "$0")/lib.sh"

packages_of() {
	case $1 in
	build) echo gcc g++ libc6-dev meson ninja-build pkg-config libnuma-dev libhugetlbfs-dev libinih-dev ;;
	perf) echo libjansson-dev ;;
	dpdk) echo libdpdk-dev dpdk dpdk-dev ;;
	af_xdp) echo libxdp-dev libbpf-dev iproute2 iputils-ping ethtool ;;
	lwip) echo liblwip-dev libhttp-parser-dev curl ;;
	stack) echo curl wrk apache2-utils socat ncat nginx-light iputils-ping util-linux dpkg-dev ;;
	tests) echo libcriterion-dev libseccomp-dev clang valgrind procps python3 binutils spin ;;
	check) echo clang-format clang-tidy cppcheck shellcheck ;;
	vm) echo qemu-system-x86 busybox-static cpio iproute2 make flex bison bc libelf-dev libssl-dev xz-utils ;;
	*) return 1 ;;
	esac
}

without() {
	case $1 in
	perf) echo "labyrinth-perf is not built" ;;
	dpdk) echo "labyrinth-perf compares with no DPDK mempool, and nothing is tried with DPDK's programs" ;;
	af_xdp) echo "the AF_XDP driver, the echo example and their tests are left out" ;;
	lwip) echo "the example lwip-httpd is left out" ;;
	stack) echo "the network stack on frames is not tried with curl, wrk, ab, socat and ncat, nor beside nginx" ;;
	tests) echo "some test suites are skipped" ;;
	check) echo "the style and static checks are skipped" ;;
	vm) echo "what needs a device behind an IOMMU is not tested" ;;
	esac
}

# The packages among "$@" that are not installed.
missing_of() {
	local package
	for package in "$@"; do
		dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
			echo "$package"
	done
}

# What the build needs, whatever it was installed by.
can_build() {
	have gcc && have meson && have ninja && have pkg-config && pkg-config --exists numa inih &&
		echo 'int main(void) { return 0; }' |
		gcc -x c - -lhugetlbfs -o /dev/null 2>/dev/null
}

apt() {
	attended env DEBIAN_FRONTEND=noninteractive apt-get -y -q \
		-o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 \
		"$@" </dev/null >>"$log" 2>&1
}

# nginx would run as soon as it is installed, and after each boot; the suite "stack" starts one of its own. Whose
# machine has a policy of its own decides by that whether it runs now.
keep_from_starting() {
	local policy=/usr/sbin/policy-rc.d
	nginx_was=$(command -v nginx || true)
	if [ ! -e $policy ]; then
		at_exit "rm -f $policy"
		printf '#!/bin/sh\n# Of devtools/setup.sh, while it installs.\nexit 101\n' >$policy
		chmod +x $policy
	fi
}

keep_from_booting() {
	if [ -z "$nginx_was" ] && have nginx; then
		update-rc.d nginx disable >>"$log" 2>&1 || true
	fi
}

groups=("$@")
[ $# -gt 0 ] || groups=(build perf dpdk af_xdp lwip stack tests check vm)
for group in "${groups[@]}"; do
	packages_of "$group" >/dev/null ||
		die "No package group is called '$group'. There are: build perf dpdk af_xdp lwip stack tests check vm."
done

if ! have dpkg-query || ! have apt-get; then
	warn "This is not Debian, so nothing is installed. The packages are called there:" \
		"$(for group in "${groups[@]}"; do packages_of "$group"; done | tr '\n' ' ')"
	can_build || die "Without gcc, meson, ninja, pkg-config, libnuma, libhugetlbfs and inih nothing can be built."
	exit 0
fi

# shellcheck disable=SC2046
missing=$(missing_of $(for group in "${groups[@]}"; do packages_of "$group"; done))
if [ -z "$missing" ]; then
	exit 0
fi
# One word a package from here on.
mapfile -t missing <<<"$missing"

if is_root; then
	log=$(mktemp)
	at_exit "rm -f '$log'"
	say "Installing ${#missing[@]} Debian packages and what they need: ${missing[*]}"
	apt update || warn "apt-get update failed (no network?); going on with the package lists that are there."
	[[ " ${missing[*]} " != *" nginx-light "* ]] || keep_from_starting
	# All at once; if that fails, what can be had of each group.
	if ! apt install --no-install-recommends "${missing[@]}"; then
		for group in "${groups[@]}"; do
			# shellcheck disable=SC2046
			mapfile -t rest < <(missing_of $(packages_of "$group"))
			[ "${#rest[@]}" -eq 0 ] || apt install --no-install-recommends "${rest[@]}" || true
		done
	fi
	[[ " ${missing[*]} " != *" nginx-light "* ]] || keep_from_booting
else
	warn "Not root, so nothing is installed. Missing: ${missing[*]}. To install them:" \
		"sudo apt-get install --no-install-recommends ${missing[*]}"
fi

for group in "${groups[@]}"; do
	# shellcheck disable=SC2046
	mapfile -t rest < <(missing_of $(packages_of "$group"))
	[ "${#rest[@]}" -gt 0 ] || continue
	if [ "$group" != build ]; then
		warn "Without ${rest[*]}: $(without "$group")."
	elif ! can_build; then
		[ ! -s "${log:-/dev/null}" ] || tail -n 5 "$log" >&2
		die "Nothing can be built without ${rest[*]}."
	fi
done
