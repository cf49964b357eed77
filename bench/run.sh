#!/bin/sh
# Measures Sluice beside the floor servers on this machine.
#
#   bench/run.sh               all rows, three rounds; writes its part of bench/RESULTS.md, and bench/out/report.html
#   bench/run.sh ROW...        these rows only, e.g. open1k; prints, writes nothing
#   bench/run.sh --list        the rows
#   bench/run.sh smoke         every row, small and short (below a minute), judges nothing
#   bench/run.sh --only floor  one server alone (sluice, floor, 'floor -b')
#
# Needs Go, a C compiler, taskset and two cores. BIN is where the binaries go.
set -eu
cd "$(dirname "$0")/.."
bin=${BIN:-bin}
mkdir -p "$bin"
${CC:-cc} -std=c11 -O2 -Wall -Wextra -o "$bin/floor" bench/floor/floor.c
go build -o "$bin/flood" ./cmd/flood
case "$*" in
*"--only floor"* | --list) ;; # works without the gateway
*) go build -o "$bin/sluice" ./cmd/sluice ;;
esac
case "${1-}" in
'') set -- --out bench/RESULTS.md --page bench/out/report.html ;;
smoke) shift; set -- --smoke --page bench/out/smoke.html "$@" ;;
esac
exec "$bin/flood" bench --sluice "$bin/sluice" --floor "$bin/floor" "$@"
