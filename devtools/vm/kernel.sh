#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Sees to it that a kernel for the VM lab is there, and prints the folder that has it: vmlinuz, modules.list
# (in the order in which they load) and modules/.
#
#   devtools/vm/kernel.sh small      built from Debian's linux-source package with vm/kernel.config (5 minutes)
#   devtools/vm/kernel.sh debian     unpacked from Debian's kernel package
#
# Kept in build-vm until the package or the options change. No root is needed. The exit status is 3 where a package or
# a tool cannot be had, and 1 where a kernel could not be made of them.
set -euo pipefail
# shellcheck source=devtools/lib.sh
. "$(dirname "$0")/../lib.sh"

cache=$top/build-vm
config=$top/devtools/vm/kernel.config
source_package=linux-source-6.12
modules=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_console
	netfs fscache 9pnet 9pnet_virtio 9p irqbypass vfio vfio_virqfd vfio_iommu_type1 vfio-pci-core vfio-pci)

unavailable() {
	warn "$*"
	exit 3
}

# The version of a package that could be fetched, or nothing.
candidate_of() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([^(].*\)/\1/p'; }

# fetch PACKAGE INTO: unpacks it, installs nothing. Returns 1 and has said so if it cannot be had.
fetch() {
	local folder=$2.download
	rm -rf "$folder" "$2"
	mkdir -p "$folder"
	at_exit "rm -rf '$folder'"
	# As root, apt would fetch as its own user, who may not write here.
	(cd "$folder" && attended apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=2 \
		-o Acquire::http::Timeout=20 download "$1") >"$cache/fetch.log" 2>&1 || {
		warn "The package $1 cannot be fetched ($(grep '^E:' "$cache/fetch.log" | tail -n 1))."
		return 1
	}
	dpkg-deb -x "$folder"/*.deb "$2"
	rm -rf "$folder"
}

# done_before FOLDER STAMP: whether FOLDER has the kernel that STAMP speaks of.
done_before() { [ "$(cat "$1/stamp" 2>/dev/null)" = "$2" ] && [ -s "$1/vmlinuz" ]; }

# or_as_before FOLDER: what could not be fetched anew may be there from before; else the script ends.
or_as_before() {
	[ -s "$1/vmlinuz" ] || exit 3
	warn "Going on with the kernel that is there: $(cat "$1/stamp")."
}

# What the kernel did not take of our options.
options_missing() {
	local option value
	while IFS='= ' read -r option value; do
		case $value in
		n) ! grep -q "^$option=" "$1" || echo "$option=n" ;;
		*) grep -qx "$option=$value" "$1" || echo "$option=$value" ;;
		esac
	done < <(grep '^CONFIG_' "$config")
}

make_small() {
	local folder=$cache/small tree=$cache/small.tree tarball=/usr/src/$source_package.tar.xz
	local version stamp missing log=$cache/small.log tool
	version=$(dpkg-query -W -f '${Version}' "$source_package" 2>/dev/null) && [ -s "$tarball" ] ||
		version=$(candidate_of "$source_package")
	stamp="$source_package $version $(grep '^CONFIG_' "$config" | sha256sum | cut -c 1-16)"
	if [ -z "$version" ]; then
		[ -s "$folder/vmlinuz" ] || unavailable "There is no package $source_package to build the small kernel from."
		return
	fi
	! done_before "$folder" "$stamp" || return 0
	for tool in make gcc flex bison bc xz cpio; do
		have $tool || unavailable "The small kernel cannot be built without $tool; devtools/setup.sh vm installs it."
	done
	warn "Building the small kernel from $source_package $version: about five minutes on two processors, once."
	rm -rf "$tree"
	mkdir -p "$tree"
	at_exit "rm -rf '$tree'"
	if [ ! -s "$tarball" ]; then
		fetch "$source_package" "$tree/package" || { or_as_before "$folder" && return; }
		tarball=$tree/package/usr/src/$source_package.tar.xz
	fi
	tar -C "$tree" -xJf "$tarball"
	(
		cd "$tree/$source_package"
		make tinyconfig
		scripts/kconfig/merge_config.sh -m .config "$config"
		make olddefconfig
	) >"$log" 2>&1 || die "The small kernel cannot be configured ($log): $(tail -n 1 "$log")"
	missing=$(options_missing "$tree/$source_package/.config")
	[ -z "$missing" ] || die "$source_package $version does not take these options of $config:"$'\n'"$missing"
	attended nice make -C "$tree/$source_package" -j"$(nproc)" bzImage >>"$log" 2>&1 ||
		die "The small kernel cannot be built ($log): $(grep -m 3 -E 'error|Error' "$log")"
	rm -rf "$folder"
	mkdir -p "$folder/modules"
	cp "$tree/$source_package/.config" "$folder/config"
	: >"$folder/modules.list"
	cp "$tree/$source_package/arch/x86/boot/bzImage" "$folder/vmlinuz"
	echo "$stamp" >"$folder/stamp"
}

make_debian() {
	local folder=$cache/debian tree=$cache/debian.tree package version stamp module file
	package=$(apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -z "$package" ] || version=$(candidate_of "$package")
	if [ -z "${version-}" ]; then
		[ -s "$folder/vmlinuz" ] || unavailable "The package lists know no linux-image-amd64 (apt-get update?)."
		return
	fi
	stamp="$package $version $(echo "${modules[*]}" | sha256sum | cut -c 1-16)"
	! done_before "$folder" "$stamp" || return 0
	warn "Fetching Debian's kernel, $package $version."
	at_exit "rm -rf '$tree'"
	fetch "$package" "$tree" || { or_as_before "$folder" && return; }
	rm -rf "$folder"
	mkdir -p "$folder/modules"
	for module in "${modules[@]}"; do
		file=$(find "$tree" -name "$module.ko*" -print -quit)
		case $file in
		*.xz) xz -dc "$file" >"$folder/modules/$module.ko" ;;
		*.ko) cp "$file" "$folder/modules/" ;;
		*) continue ;; # built in, or not of this version: if it is missed, its dependants say so
		esac
		echo "$module.ko"
	done >"$folder/modules.list"
	cp "$tree"/boot/vmlinuz-* "$folder/vmlinuz"
	echo "$stamp" >"$folder/stamp"
}

case ${1-} in
small | debian) ;;
*) die "$(sed -n '8,9s/^# *//p' "$0")" ;;
esac
have apt-cache && have dpkg-deb || unavailable "The VM lab takes its kernels from Debian's packages, and this is not Debian."
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
"make_$1"
say "$cache/$1"
