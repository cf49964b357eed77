#!/usr/bin/env bash
# Proves that one `sluice serve` process holds N connections (1,000,000), on any
# Linux box with 16 GB, whatever its limits: it boots a throwaway guest that has a
# kernel, and so limits, of its own, and runs prove.sh in it. Nothing of the host
# is changed, and nothing of the guest is left.
#
#   bench/million/run.sh
#   N=200000 bench/million/run.sh
#
#   N=1000000     connections
#   GUEST=no      no guest: on this host, when its limits allow
#   SAVE=yes      put the table into bench/RESULTS.md
#   MEMORY=15360  of the guest, in MiB, at most; the host gives it as it is used
#   TIMEOUT=...   seconds until the guest is ended
#   KERNEL=...    an x86-64 bzImage, in place of Debian's cloud kernel
#
# Needs Go; for the guest qemu, cpio, a static busybox and, unless KERNEL is
# given, apt. KVM is used where it works, else the guest is emulated, ten to
# twenty times slower. Exit code 0: the proof held.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

n=${N:-1000000}
timeout=${TIMEOUT:-$((300 + n / 250))}
out=bench/out
work=.cache/million
log=$out/million.log
mkdir -p "$out" "$work"
rm -f "$out"/million.*

die() { printf 'million: %s\n' "$*" >&2; exit 1; }
say() { printf 'million: %s\n' "$*"; }
[[ $n =~ ^[1-9][0-9]*$ ]] || die "N=$n is no number of connections"

build() { # one static binary each, without the symbols that nobody reads there
  CGO_ENABLED=0 GOOS=linux go build -trimpath -ldflags '-s -w' -o "$1/" ./cmd/sluice ./cmd/flood
}

# judge ABOUT: what flood makes of the result. Its exit code is the proof's.
judge() {
  go run ./cmd/flood million "$out/million.json" --connections "$n" --about "$1" --command "$(command_line)" \
    --out "$out/million.md" ${SAVE:+--save bench/RESULTS.md}
}

command_line() {
  printf 'make million'
  [[ $n == 1000000 ]] || printf ' N=%s' "$n"
  [[ ${GUEST-} != no ]] || printf ' GUEST=no'
}

if [[ ${GUEST-} == no ]]; then
  build "$work/host"
  code=0
  timeout --kill-after=10 "$timeout" bench/million/prove.sh "$work/host" configs/million.yaml "$n" "$out/million.json" 2>&1 | tee "$log" || code=$?
  [[ $code -ne 124 ]] || die "not done after $timeout s; TIMEOUT=... allows more"
  [[ -s $out/million.json ]] || die "no result: see above; without GUEST=no it runs in a guest with limits of its own"
  judge "no guest"
  exit
fi

# What the guest is made of.
missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v cpio >/dev/null || missing+=(cpio)
command -v busybox >/dev/null || missing+=(busybox-static)
((${#missing[@]} == 0)) || .ci/install "${missing[@]}"
busybox=$(command -v busybox)
! file -L "$busybox" 2>/dev/null | grep -q 'dynamically linked' || die "$busybox is not static: install busybox-static"

# The kernel is taken out of its package, which is not installed.
fetch_kernel() {
  command -v apt-get >/dev/null || die "no apt-get here to fetch a kernel with: give one with KERNEL=/path/to/bzImage"
  local package
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
  if [[ -z $package && $(id -u) -eq 0 ]]; then
    apt-get update -q >&2
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
  fi
  [[ -n $package ]] || die "apt knows no linux-image-cloud-amd64 (apt-get update?): or give a kernel with KERNEL=/path/to/bzImage"
  kernel=$work/kernel/boot/vmlinuz-${package#linux-image-}
  if [[ ! -s $kernel ]]; then
    rm -rf "$work/kernel" "$work"/*.deb
    (cd "$work" && apt-get download -q "$package" >&2)
    dpkg-deb -x "$work/$package"_*.deb "$work/kernel"
    rm -rf "$work"/*.deb "$work/kernel/lib"
  fi
}
kernel=${KERNEL-}
[[ -n $kernel ]] || fetch_kernel

root=$work/root
rm -rf "$root"
mkdir -p "$root"/{bin,dev,proc,sys,tmp}
GOARCH=amd64 build "$root/bin"
cp "$busybox" "$root/bin/busybox"
cp bench/million/init bench/million/prove.sh configs/million.yaml "$root/"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initramfs"

# 10 KB for each connection, both ends and both processes; and the guest itself.
needed=$((512 + n / 100))
available=$(($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) / 1024 - 512))
memory=${MEMORY:-15360}
memory=$((memory < available ? memory : available))
((memory >= needed)) || die "$n connections need a guest of $needed MiB, and this host can give $memory: try a smaller N"

# guest ACCELERATION MEMORY N CONSOLE SERIAL: runs it to its end. The second serial port carries the result.
guest() {
  # shellcheck disable=SC2086 # words
  exec qemu-system-x86_64 $1 -smp 2 -m "$2M" -nodefaults -no-reboot -display none \
    -serial "file:$4" -serial "file:$5" -kernel "$kernel" -initrd "$work/initramfs" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off thash_entries=1048576 MILLION_N=$3" </dev/null
}

# That /dev/kvm is there does not mean that a guest starts on it.
kvm_works() {
  local probe i
  [[ -w /dev/kvm ]] || return 1
  rm -f "$work/probe"
  (guest '-accel kvm -cpu host' 512 0 "$work/probe" /dev/null) &
  probe=$!
  for ((i = 0; i < 20; i++)); do
    kill -0 $probe || break
    sleep 1
  done
  kill -9 $probe || true
  wait $probe || true
  grep -q 'guest is up' "$work/probe"
} >/dev/null 2>&1 # the shell's own words about the end of it, too

acceleration='-accel tcg,thread=multi -cpu Nehalem' under=emulated
if kvm_works; then
  acceleration='-accel kvm -cpu host' under=KVM
fi

about="a guest of 2 cores and $memory MiB, $under by $(qemu-system-x86_64 --version | sed -n '1s/.*version \([0-9.]*\).*/qemu \1/p'), Linux ${kernel##*/vmlinuz-}"
say "$n connections in $about; at most $timeout s; the console is in $log"
: >"$log"
started=$SECONDS
(guest "$acceleration" "$memory" "$n" "$log" "$out/million.json") &
qemu=$!
trap 'kill -9 $qemu 2>/dev/null || true' EXIT
tail -n +1 -f --pid=$qemu "$log" | sed -u 's/\r$//' &
while kill -0 $qemu 2>/dev/null && ((SECONDS - started < timeout)); do sleep 1; done
if kill -0 $qemu 2>/dev/null; then
  kill -9 $qemu
  die "the guest was not done after $timeout s and was ended; TIMEOUT=... allows more; its console is in $log"
fi
wait $qemu || die "qemu failed"
wait
say "the guest was off after $((SECONDS - started)) s"
[[ -s $out/million.json ]] || die "the guest ended without a result: see $log"
judge "$about"
