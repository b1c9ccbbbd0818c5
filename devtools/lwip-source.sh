#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Fetches the source of Debian's lwIP, with Debian's patches, into build-lwip, and prints its folder:
#
#   meson setup build -Dlwip_source="$(devtools/lwip-source.sh)"
#
# Nothing of apt's own lists changes. Ends with 3 and a sentence where it cannot be had.
set -euo pipefail
# shellcheck source=devtools/lib.sh
. "$(dirname "$0")/lib.sh"

cannot() {
	warn "The source of lwIP cannot be had: $*"
	exit 3
}

dir=$top/build-lwip
mkdir -p "$dir"
found=$(find "$dir" -maxdepth 1 -name 'lwip-*' -type d | head -n 1)
if [ -n "$found" ] && [ -e "$found/src/include/lwip/init.h" ]; then
	say "$found"
	exit
fi
have apt-get || cannot "this is not Debian; name a folder of your own."
have dpkg-source || cannot "dpkg-source is missing (apt-get install dpkg-dev)."

# The machine's own package sources, asked for source.
mkdir -p "$dir/lists/partial" "$dir/parts"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
	[ -r "$file" ] || continue
	case $file in
	*.sources) sed 's/^Types:.*/Types: deb-src/' "$file" ;;
	*) sed -n 's/^deb /deb-src /p' "$file" ;;
	esac >"$dir/parts/$(basename "$file")"
done
options=(-q -o "Dir::Etc::SourceList=$dir/parts/none" -o "Dir::Etc::SourceParts=$dir/parts" -o "Dir::State::Lists=$dir/lists"
	-o APT::Sandbox::User=root -o Acquire::Retries=2 -o Acquire::http::Timeout=20)
(cd "$dir" && attended apt-get "${options[@]}" update && attended apt-get "${options[@]}" source lwip) >"$dir/log" 2>&1 || {
	tail -n 3 "$dir/log" >&2
	cannot "apt-get source lwip failed."
}
rm -rf "$dir/lists" "$dir/parts"
found=$(find "$dir" -maxdepth 1 -name 'lwip-*' -type d | head -n 1)
[ -n "$found" ] || cannot "apt-get source lwip left no folder."
say "$found"
