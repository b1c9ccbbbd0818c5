# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# How fast lwip-httpd is beside the kernel's own stack: nginx with the same files, and a plain blocking echo, in
# another namespace on a wire of the same kind, asked by the same client in turns. It asserts that the figures
# exist, and nothing of their size. For devtools/suites/stack, with ground.sh.
# shellcheck shell=bash disable=SC2154 # ground.sh and the suite

# One process, which keeps connections as long as the other does.
nginx_configuration() {
	cat <<-END
		daemon off;
		user root;
		worker_processes 1;
		pid $folder/nginx/pid;
		error_log $folder/nginx/error.log;
		events { worker_connections 1024; }
		http {
			access_log off;
			sendfile on;
			tcp_nopush on;
			keepalive_requests 1000000000;
			default_type application/octet-stream;
			client_body_temp_path $folder/nginx/body;
			proxy_temp_path $folder/nginx/proxy;
			fastcgi_temp_path $folder/nginx/fastcgi;
			uwsgi_temp_path $folder/nginx/uwsgi;
			scgi_temp_path $folder/nginx/scgi;
			server {
				listen $reference4:80;
				listen [$reference6]:80;
				root $root;
			}
		}
	END
}

# reference_start: nginx and the echo; they end with the suite, or by themselves.
reference_start() {
	local i
	mkdir -p "$folder/nginx"
	nginx_configuration >"$folder/nginx/nginx.conf"
	ip netns exec "$reference_ns" timeout -k 5 1800 nginx -e "$folder/nginx/error.log" -c "$folder/nginx/nginx.conf" \
		>"$folder/nginx/out" 2>&1 &
	children+=($!)
	ip netns exec "$reference_ns" "$programs/kernel-echo" 7 1800 >"$folder/kernel-echo.out" 2>&1 &
	children+=($!)
	for ((i = 0; i < 50; i++)); do
		! client 2 curl -s -o /dev/null "http://$reference4/small" || return 0
		sleep 0.1
	done
	cat "$folder/nginx/error.log" "$folder/nginx/out" >"$folder/reference.err"
	return 1
}

reference_stop() {
	local i
	for i in 1 2; do
		stop "${children[-1]}" || true
		unset 'children[-1]'
	done
}

# The reference's wire as a real one is: no packet is longer than the MTU, checksums are computed. The kernel's
# default over a veth pair is neither: segments of 64 KiB pass, unsummed.
reference_plain() {
	in_reference ethtool -K ref0 tx off tso off gso off gro off >/dev/null
	in_client ethtool -K cli1 tx off gso off gro off >/dev/null
}

# measure WHO ADDRESS: requests a second, bytes a second and the echo's ns, a line each into $folder/figures.
measure() {
	local who=$1 address=$2 found
	client 60 wrk --timeout 20 -t 1 -c 64 -d "$reference_seconds" "http://$address/small" >"$folder/figure" 2>&1 || true
	[ -z "$(wrk_failed "$folder/figure")" ] || echo "$who: $(wrk_failed "$folder/figure")" >>"$folder/figures.err"
	found=$(sed -n 's/^Requests\/sec: *//p' "$folder/figure")
	echo "$who requests $found" >>"$folder/figures"
	found=$(client 60 curl -gs -f -o /dev/null -w '%{speed_download}' "http://$address/large" || true)
	echo "$who bytes $found" >>"$folder/figures"
	client 60 "$programs/tcp-pingpong" "$address" 7 20000 64 >"$folder/figure" 2>>"$folder/figures.err" || true
	echo "$who p50 $(value p50_ns "$(cat "$folder/figure")")" >>"$folder/figures"
	echo "$who p99 $(value p99_ns "$(cat "$folder/figure")")" >>"$folder/figures"
}

# In turns. While the kernel is measured, lwip-httpd stands still: it polls, and would keep a processor from it.
stack_reference() {
	local name=reference round offloads status=0 rounds=2
	reference_seconds=3
	[ -z "${LONG-}" ] || { rounds=5 && reference_seconds=10; }
	rm -f "$folder"/figure*
	server_start reference 1800 "${normal[@]}" || status=$?
	started "$name" $status || return 0
	reference_start || status=$?
	case_of "$name: nginx starts, and answers" $status "$folder/reference.err"
	if [ $status = 0 ]; then
		for offloads in default none; do
			[ $offloads = default ] || reference_plain
			for ((round = 0; round < rounds; round++)); do
				measure "lwip-$offloads" "$server4"
				kill -STOP "$server_pid"
				measure "kernel-$offloads" "$reference4"
				kill -CONT "$server_pid"
			done
		done
		reference_say "$name" $((rounds * 2))
	fi
	reference_stop
	server_judge "$name"
}

# reference_say NAME N: each figure's mean, the ratio, and what it was measured on.
reference_say() {
	say "# $(date -u '+%Y-%m-%d %H:%M UTC'), $(nproc) x $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)," \
		"Linux $(uname -r), load $(cut -d ' ' -f 1 /proc/loadavg); veth, $2 rounds in turns, wrk at 64 connections $reference_seconds s each"
	if awk -v each=$(($2 / 2)) '
		NF != 3 || $3 + 0 <= 0 { bad = 1; next }
		{ sum[$1, $2] += $3; n[$1, $2]++ }
		function mean(who, what) { if (n[who, what] != each) bad = 1; return n[who, what] ? sum[who, what] / each : 0 }
		function line(text, what, unit, factor, offloads,    a, b) {
			a = mean("lwip-" offloads, what) * factor
			b = mean("kernel-" offloads, what) * factor
			printf "# %s: lwip-httpd %.4g %s, the kernel'"'"'s %.4g: ratio %.2f\n", text, a, unit, b, b ? a / b : 0
		}
		function lines(offloads, text) {
			print "# beside nginx and a blocking echo in the kernel, " text ":"
			line("  requests of 1 KiB", "requests", "/s", 1, offloads)
			line("  one transfer of 200 MiB", "bytes", "MB/s", 1e-6, offloads)
			line("  64-byte echo, p50", "p50", "us", 1e-3, offloads)
			line("  64-byte echo, p99", "p99", "us", 1e-3, offloads)
		}
		END {
			lines("default", "with its offloads over veth (segments of 64 KiB, no checksums)")
			lines("none", "without offloads, as on a wire")
			exit bad
		}' "$folder/figures"; then
		ok "$1: requests, throughput and latency of both were measured"
	else
		cat "$folder/figures" >>"$folder/figures.err"
		not_ok "$1: requests, throughput and latency of both were measured" "$folder/figures.err"
	fi
	# A request that fails would make the figures worthless.
	case_of "$1: no request failed meanwhile" $(($(wc -c <"$folder/figures.err") > 0)) "$folder/figures.err"
}
