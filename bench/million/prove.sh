#!/bin/sh
# Serves, and opens N connections to it in steps, each joined to one of 1,000
# channels; then publishes to every channel and checks that every connection got
# it exactly once. Runs in the guest (busybox) as on a host.
#
#   prove.sh BIN CONFIG N RESULT     BIN has sluice and flood; RESULT is flood's, JSON
set -eu
bin=$1 config=$2 n=$3 result=$4
url=ws://127.0.0.1:18080/

steps=
for s in 20000 100000 200000 500000; do
  if [ "$s" -lt "$n" ]; then steps=$steps$s,; fi
done
if [ -z "$steps" ] && [ "$n" -ge 4 ]; then steps=$((n / 4)),; fi
channels=$((n < 1000 ? n : 1000))
# The server gives memory back two seconds after the last connect; on an emulated
# processor its collection takes a second for 100,000 connections.
settle=$((8 + n / 50000))s

ulimit -n "$(ulimit -H -n)"
on() { # on MASK COMMAND...: on that core, if there are two
  mask=$1
  shift
  if taskset "$mask" true 2>/dev/null; then exec taskset "$mask" "$@"; fi
  exec "$@"
}

(on 1 "$bin/sluice" serve -c "$config") &
server=$!
trap 'kill -9 $server 2>/dev/null || true' EXIT
trap 'exit 1' INT TERM
until "$bin/flood" run connect -n 1 --settle 0s --quiet --url $url >/dev/null 2>&1; do
  kill -0 $server || { echo "sluice does not serve"; exit 1; }
  sleep 1
done
set -- run connect -n "$n" --url $url --sources 127.0.1.1-127.0.1.40 --channels $channels \
  --steps "$steps$n" --settle $settle --hold 10s --roll-call --patience 3m --procs 1 --out "$result"
echo "flood $*"
(on 2 "$bin/flood" "$@" --pid $server)
