#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# The VM lab: boots a virtual machine that has an IOMMU, two NUMA nodes with hugepages, and PCI devices bound to
# vfio-pci; runs a command of this machine inside, as root; ends with its exit status (124: it hung, 125: the VM died).
#
#   devtools/vm.sh [OPTION...] [--] COMMAND [ARGUMENT...]
#   devtools/vm.sh [OPTION...] --shell
#
#   --device LIST        edu edu-port edu-shared e1000e nvme, with commas, each any number of times. In the guest EDU0,
#                        EDU1, NIC0, NVME0, SHARED0, SHARED0_PEER ... are their PCI addresses. Properties follow a colon:
#                        edu:dma_mask=0xfffffff, nvme:size=1G. All but edu and edu-shared can be unplugged.
#   --keep-driver LIST   nic0,nvme0 ...: stay with the kernel's driver instead of vfio-pci
#   --kernel NAME        small (default; iommufd and type1) or debian (Debian's own; type1 only)
#   --memory MIB         2048       --hugepages N   of 2 MiB on each node, 128
#   --aw-bits N          the IOMMU's address width: 39 or 48 (default)
#   --intremap on|off    whether the IOMMU isolates interrupts, on
#   --no-iommu           a machine without one
#   --net user|tap       what e1000e is connected to: QEMU's own network, or vm0, vm1 ... (10.77.N.1/24) in a network
#                        namespace of the host's kernel, which is there as long as the VM
#   --forward LIST       80,7 ...: TCP ports of 10.0.2.15, nic0's address in QEMU's own network, that the host reaches
#                        through ports of its 127.0.0.1. Its kernel chooses those: the companion has them as
#                        VM_FORWARD_80 ..., and vm-host forwarded 80 says them in the guest.
#   --host PROGRAM       runs beside the VM on the host (in that namespace) once the guest is up
#   --env NAME=VALUE     in the guest
#   --timeout SECONDS    after which the VM has hung: 120; 0: never
#   --accel NAME         tcg (default: works everywhere) or kvm
#   --name NAME          of the logs in build-vm/log, which are kept then
#
# Inside, the host's files are there under the same paths, read-only; /tmp, /var/tmp, /run, /dev/shm are fresh.
# vm-host talks to the host (unplug and plug devices, signals for the companion): devtools/vm/guest/vm-host.
set -euo pipefail
# shellcheck source=devtools/lib.sh
. "$(dirname "$0")/lib.sh"

lab=$top/devtools/vm
kernel=small devices=() kept='' memory=2048 hugepages=128 aw_bits=48 intremap=on iommu=yes net=user companion=''
limit=120 accel=tcg name='' shell=no variables=() forwards=()

while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		sed -n '5,36s/^# \{0,1\}//p' "$0"
		exit
		;;
	--no-iommu) iommu=no ;;
	--shell) shell=yes ;;
	--kernel | --device | --keep-driver | --memory | --hugepages | --aw-bits | --intremap | --net | --forward | --host | --env | \
		--timeout | --accel | --name)
		[ $# -ge 2 ] || die "$1 needs a value; devtools/vm.sh --help"
		case $1 in
		--kernel) kernel=$2 ;;
		--device)
			IFS=, read -ra list <<<"$2"
			devices+=("${list[@]}")
			;;
		--keep-driver) kept=$kept,$2 ;;
		--memory) memory=$2 ;;
		--hugepages) hugepages=$2 ;;
		--aw-bits) aw_bits=$2 ;;
		--intremap) intremap=$2 ;;
		--net) net=$2 ;;
		--forward)
			IFS=, read -ra list <<<"$2"
			forwards+=("${list[@]}")
			;;
		--host) companion=$2 ;;
		--env) variables+=("$2") ;;
		--timeout) limit=$2 ;;
		--accel) accel=$2 ;;
		--name) name=$2 ;;
		esac
		shift
		;;
	--)
		shift
		break
		;;
	-*) die "There is no option $1; devtools/vm.sh --help" ;;
	*) break ;;
	esac
	shift
done
if [ $shell = yes ]; then
	[ -t 0 ] || die "--shell needs a terminal."
	limit=0
	set -- bash
fi
[ $# -gt 0 ] || die "Which command? devtools/vm.sh --help"
[[ $kernel == @(small|debian) ]] || die "There is no kernel '$kernel': small, debian."
[[ $net == @(user|tap) ]] || die "There is no network '$net': user, tap."
for port in "${forwards[@]}"; do
	[[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65535 ]] || die "--forward $port: that is no TCP port."
done
[[ -z ${forwards[*]} || $net = user ]] || die "--forward needs --net user: of a tap the host reaches every port."
[[ -z ${forwards[*]} || " ${devices[*]}" == *" e1000e"* ]] || die "--forward needs --device e1000e."
[ -z "$companion" ] || [ -x "$companion" ] || die "The companion $companion cannot be run."
for tool in qemu-system-x86_64 python3 cpio; do
	have $tool || die "The VM lab needs $tool; devtools/setup.sh vm installs it."
done
busybox=$(command -v busybox) && ! ldd "$busybox" >/dev/null 2>&1 ||
	die "The VM lab needs a static busybox; devtools/setup.sh vm installs it."
[ $net = user ] || is_root || die "--net tap needs root (a network namespace)."

kernel_dir=$("$lab/kernel.sh" "$kernel") || exit
run=$(mktemp -d)
at_exit "rm -rf '$run'"
mkdir -p "$top/build-vm/log"
log=$top/build-vm/log/${name:-vm.$$}
rm -f "$log".{console,qemu,host,times}

# ---- the machine ----

half=$((memory / 2))
cpu=max
[ "$accel" = tcg ] || cpu=host
# shellcheck disable=SC2054 # those commas are QEMU's
qemu=(qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -name "labyrinth-${name:-vm}"
	-machine "q35,kernel-irqchip=split" -accel "$accel$([ "$accel" != tcg ] || echo ,thread=multi)" -cpu "$cpu"
	-smp "2,sockets=2,cores=1,threads=1" -m "${memory}M"
	-object "memory-backend-ram,id=mem0,size=${half}M" -object "memory-backend-ram,id=mem1,size=$((memory - half))M"
	-numa node,nodeid=0,cpus=0,memdev=mem0 -numa node,nodeid=1,cpus=1,memdev=mem1
	-chardev "@console" -serial chardev:console -chardev "@qmp" -mon chardev=qmp,mode=control)
[ $iommu = no ] || qemu+=(-device "intel-iommu,intremap=$intremap,caching-mode=on,aw-bits=$aw_bits")
# shellcheck disable=SC2054
qemu+=(-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
	-device virtio-9p-pci,fsdev=root,mount_tag=lab-root,addr=1
	-device virtio-serial-pci,addr=2
	-chardev "@control" -device virtserialport,chardev=control,name=control,nr=1)
if [ $shell = yes ]; then
	qemu+=(-chardev "stdio,id=shell,signal=off" -device "virtconsole,chardev=shell,nr=2")
else
	qemu+=(-chardev "@out" -device "virtserialport,chardev=out,name=out,nr=2"
		-chardev "@err" -device "virtserialport,chardev=err,name=err,nr=3")
fi

# ---- its devices ----

declare -A count=()
slot=3
: >"$run/devices"       # what can be unplugged, for host.py
: >"$run/guest-devices" # the names and places, for the guest

# next KIND: sets i, the KIND's number from 0.
next() {
	i=${count[$1]:-0}
	count[$1]=$((i + 1))
}

# place NAME PLACE [no]: tells the guest where the device NAME is, and whether to bind it.
place() {
	local bind=${3:-yes}
	[[ ,${kept,,}, != *,${1,,},* ]] || bind=no
	echo "$1 $2 $bind" >>"$run/guest-devices"
}

# on_port NAME DEVICE: behind a root port of its own, so that it can be unplugged.
on_port() {
	local port
	port=$(printf 'port%d' $slot)
	qemu+=(-device "pcie-root-port,id=$port,chassis=$slot,slot=$slot,addr=$slot" -device "$2,bus=$port,id=${1,,}")
	echo "${1,,} $2,bus=$port,id=${1,,}" >>"$run/devices"
	place "$1" "$(printf '0000:00:%02x.0/00.0' $slot)"
}

for device in "${devices[@]}"; do
	IFS=: read -r kind properties <<<"$device"
	properties=${properties:+,${properties//:/,}}
	edu=edu,dma_mask=0xffffffff$properties
	[[ $properties != *dma_mask=* ]] || edu=edu$properties
	case $kind in
	edu)
		next edu
		qemu+=(-device "$edu,id=edu$i,addr=$slot")
		place "EDU$i" "$(printf '0000:00:%02x.0' $slot)"
		;;
	edu-port)
		next edu
		on_port "EDU$i" "$edu"
		;;
	edu-shared)
		next shared
		qemu+=(-device "pcie-pci-bridge,id=bridge$i,addr=$slot" -device "$edu,bus=bridge$i,addr=1"
			-object "rng-builtin,id=rng$i" -device "virtio-rng-pci,rng=rng$i,bus=bridge$i,addr=2")
		place "SHARED$i" "$(printf '0000:00:%02x.0/01.0' $slot)"
		place "SHARED${i}_PEER" "$(printf '0000:00:%02x.0/02.0' $slot)" no
		;;
	e1000e)
		next nic
		case $net in
		user)
			backend=user,id=net$i
			# A port of 0: the kernel chooses one that is free, and nobody can be there first. host.py asks which.
			[ "$i" -gt 0 ] || for port in "${forwards[@]}"; do backend+=",hostfwd=tcp:127.0.0.1:0-10.0.2.15:$port"; done
			qemu+=(-netdev "$backend")
			;;
		tap) qemu+=(-netdev "tap,id=net$i,ifname=vm$i,script=no,downscript=no") ;;
		esac
		on_port "NIC$i" "e1000e,netdev=net$i,romfile=,mac=52:54:00:00:00:$((10 + i))$properties"
		;;
	nvme)
		next nvme
		size=$(grep -oP '(?<=,size=)[^,]*' <<<"$properties") || size=512M
		properties=$(sed 's/,size=[^,]*//' <<<"$properties")
		truncate -s "$size" "$run/disk$i"
		qemu+=(-blockdev "driver=file,node-name=disk$i,filename=$run/disk$i,discard=unmap")
		on_port "NVME$i" "nvme,drive=disk$i,serial=labyrinth$i$properties"
		;;
	*) die "There is no device '$kind': edu, edu-port, edu-shared, e1000e, nvme." ;;
	esac
	slot=$((slot + 1))
	[ $slot -le 29 ] || die "Too many devices: the root bus has room for 26."
done
for device in ${kept//,/ }; do
	grep -qi "^$device " "$run/guest-devices" || die "--keep-driver $device: there is no such device in this VM."
done

# ---- what the guest starts from ----

# Trees under /tmp and the like have to be carried over what is fresh in the guest.
keep=
for folder in "$top" "$PWD"; do
	[[ $folder/ != @(/tmp|/run|/var/tmp)/* || " $keep " == *" $folder "* ]] || keep="$keep $folder"
done

root=$run/root
mkdir -p "$root/bin" "$root/lab" "$run/signals"
cp "$busybox" "$root/bin/busybox"
cp "$lab/init" "$root/init"
cp -r "$kernel_dir/modules" "$kernel_dir/modules.list" "$root/lab/"
cp "$run/guest-devices" "$root/lab/devices"
printf '%s=%q\n' top "$top" keep "$keep" hugepages "$hugepages" iommu $iommu limit "$limit" >"$root/lab/conf"
{
	printf 'export %s=%q\n' PATH "/run/vm/bin:$PATH" HOME /tmp TERM "${TERM:-dumb}" VM_TOP "$top" VM_KERNEL "$kernel"
	for variable in "${variables[@]}"; do printf 'export %s=%q\n' "${variable%%=*}" "${variable#*=}"; done
} >"$root/lab/env"
{
	printf '. /run/vm/env\ncd %q\nexec' "$PWD"
	printf ' %q' "$@"
	echo
} >"$root/lab/command"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$run/initramfs"
rm -rf "$root"

arguments="console=ttyS0 loglevel=7 log_buf_len=1M sysrq_always_enabled panic=-1 oops=panic mitigations=off no_timer_check"
[ $iommu = no ] || arguments="$arguments intel_iommu=on"
qemu+=(-kernel "$kernel_dir/vmlinuz" -initrd "$run/initramfs" -append "$arguments")

# ---- the network, and off it goes ----

inside=()
if [ $net = tap ]; then
	space=labyrinth-vm-$$
	ip netns add $space
	at_exit "ip netns del $space 2>/dev/null"
	ip -n $space link set lo up
	for ((i = 0; i < ${count[nic]:-0}; i++)); do
		ip -n $space tuntap add "vm$i" mode tap
		ip -n $space address add "10.77.$i.1/24" dev "vm$i"
		ip -n $space link set "vm$i" up
	done
	inside=(ip netns exec "$space")
fi

status=0
command=("${inside[@]}" python3 "$lab/host.py" "$run" "$log" "$limit" "$companion" --
	setpriv --pdeathsig KILL "${qemu[@]}")
if [ $shell = yes ]; then
	terminal=$(stty -g)
	at_exit "stty '$terminal'"
	# What runs in the background has no stdin otherwise.
	on_terminal() { exec "$@" </dev/tty; }
	attended on_terminal "${command[@]}" || status=$?
else
	attended "${command[@]}" || status=$?
fi
[ -n "$name" ] || [ $status -ge 124 ] || rm -f "$log".{console,qemu,host,times}
exit $status
