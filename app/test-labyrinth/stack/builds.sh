# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# Other builds of the same program: with sanitizers, against a million hostile packets on either driver; and with
# lwIP from its source, which sends without a copy. For devtools/suites/stack, with ground.sh and clients.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and the suite

# Sanitizers place their shadow where randomised mappings may lie.
still=()
! setarch -R true 2>/dev/null || still=(setarch -R)
sanitizers=(-Dbuildtype=debugoptimized "-Db_sanitize=address,undefined" -Db_lundef=false -Ddpdk=disabled)

# recount <TAP: the cases of another program, counted among the rest.
recount() {
	local line
	while IFS= read -r line; do
		case $line in
		"ok "*"# SKIP "*) line=${line#ok *- } && skip "${line%% # SKIP *}" "${line##*# SKIP }" ;;
		"ok "*) ok "${line#ok *- }" ;;
		"not ok "*) not_ok "${line#not ok *- }" ;;
		"1.."*) ;;
		*) say "$line" ;;
		esac
	done
}

# rings NAME BUILD: into the e1000e driver's receive path, with each victim behind it.
rings() {
	local victim seed seeds=(1)
	[ -z "${LONG-}" ] || seeds=(1 2 3 4 5)
	for victim in echo lwip lwip-copied; do
		for seed in "${seeds[@]}"; do
			tap_of "hostile packets, e1000e, $victim, $1, seed $seed" 300 "${still[@]}" \
				"$test_dir/$2/app/test-labyrinth/stack/hostile-rings" "$victim" 1000000 "$seed"
		done
	done
}

stack_hostile() {
	local program
	export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
	test_build asan "${sanitizers[@]}"
	for program in lwip-httpd echo; do
		tap_of "hostile packets, AF_XDP, $program" 900 "${still[@]}" "$programs_source/hostile.sh" \
			"$test_dir/asan/examples/$program/$program" "$test_dir/asan/app/test-labyrinth/stack/hostile-send" 1000000
	done
	rings "Debian's lwIP" asan
	# Debian's library has no sanitizers in it; its source can be built with them.
	if ! lwip_build lwip-asan "${sanitizers[@]}"; then
		skip "hostile packets, lwIP from its source" "$lwip_why"
		return
	fi
	rings "lwIP from its source" lwip-asan
	tap_of "hostile packets, AF_XDP, lwip-httpd with lwIP from its source" 900 "${still[@]}" "$programs_source/hostile.sh" \
		"$test_dir/lwip-asan/examples/lwip-httpd/lwip-httpd" "$test_dir/asan/app/test-labyrinth/stack/hostile-send" 1000000
}

# in_place: by the server's last line, packets were sent from where lwIP wrote them, but for the few that somebody
# else had a reference to (what waited for an answer to ARP).
in_place() {
	server_end
	[ "$(grown tx_in_place)" -gt 100000 ] && [ $(($(grown tx_copied) * 1000)) -lt "$(grown tx_in_place)" ]
}

stack_source() {
	local name="lwIP from its source" sum i right=0 status=0 packaged=$httpd httpd bad idle
	if ! lwip_build lwip; then
		skip "$name" "$lwip_why"
		return
	fi
	tap_of "$name" 60 "$test_dir/lwip/app/test-labyrinth/stack/glue-test"
	tap_of "$name, TCP" 60 "$test_dir/lwip/app/test-labyrinth/stack/glue-tcp-test"
	httpd=$test_dir/lwip/examples/lwip-httpd/lwip-httpd
	server_start source 1200 "${normal[@]}" || status=$?
	started "$name" $status || return 0
	sum=$(sha256sum <"$root/large")
	loops 8
	for ((i = 1; i <= 5; i++)); do ! fetched "$(url4 large)" "$sum" || right=$((right + 1)); done
	loops_end 8
	cat "$folder"/loop-*.err >>"$folder/fetch.err"
	case_of "$name: 5 transfers of 200 MiB, and 8 loops, with the right checksum" \
		$((right != 5 || bad > 0 || idle > 0)) "$folder/fetch.err"
	rm -f "$folder/echo.err" "$folder/echoed"
	for ((i = 1; i <= 24; i++)); do echoed socat "$server6" "$(echo_size "$i")" "source-$i" || true; done
	case_of "$name: 24 echoes come back as they were sent" $(($(wc -l <"$folder/echoed") != 24)) "$folder/echo.err"
	server_judge "$name"
	check "$name: packets were sent from where lwIP wrote them" in_place
	source_beside_packaged "$name" "$packaged" "$httpd"
}

# source_beside_packaged NAME PACKAGED SOURCE: both in turns.
source_beside_packaged() {
	local which httpd status=0
	# shellcheck disable=SC2034 # for measure
	local reference_seconds=3
	rm -f "$folder"/figure*
	for which in packaged source packaged source; do
		[ $which = packaged ] && httpd=$2 || httpd=$3
		server_start beside 1200 "${normal[@]}" || status=1
		[ $status = 1 ] || measure $which "$server4"
		server_stop
		conserved >>"$folder/figures.err" && : >"$folder/figures.err" || status=1
	done
	[ "$(awk '$3 > 0' "$folder/figures" | wc -l)" = 16 ] || status=1
	case_of "$1: measured beside the packaged one, in turns, and no frame was lost" $status "$folder/figures.err"
	awk '{ sum[$1, $2] += $3 / 2 } END {
		split("requests bytes p50 p99", what)
		for (i = 1; i <= 4; i++)
			if (sum["packaged", what[i]])
				printf "# %s: %.4g, the packaged one %.4g: ratio %.2f\n", what[i], sum["source", what[i]],
					sum["packaged", what[i]], sum["source", what[i]] / sum["packaged", what[i]]
	}' "$folder/figures"
}

# stack_vm: behind a wire that loses, and on the e1000e: devtools/suites/vm, unless it runs anyway.
stack_vm() {
	if [[ " ${TEST_SUITES-} " == *" vm "* ]]; then
		say "# through netem, and on the e1000e: stack-netem, stack-nic and stack-hostile-nic of the suite vm"
		return
	fi
	recount < <("$top/devtools/suites/vm" stack-nic stack-netem stack-hostile-nic)
}
