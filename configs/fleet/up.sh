#!/usr/bin/env bash
# Starts three nodes and a balancer on this machine, says what to try, and ends
# them all when it is ended. `make fleet` calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
logs=.cache/fleet
mkdir -p "$logs"

# What runs, by process id: "node a", "the balancer".
declare -A running=()
finish() {
  trap - EXIT INT TERM
  ((${#running[@]} > 0)) || return 0
  printf '\nending the fleet: each node lets its clients go within 5 s\n'
  kill "${!running[@]}" 2>/dev/null || true
  wait 2>/dev/null
}
trap finish EXIT
trap 'exit 0' INT TERM

# serve sets command to what starts node $1, which is the $2nd.
serve() {
  command=(bin/sluice serve -c configs/fleet/node.yaml --listen "127.0.0.1:910$2" --admin "127.0.0.1:920$2"
    --set "broker.node=$1" --set "broker.cluster.listen=127.0.0.1:930$2")
}

# setsid: a Ctrl-C is for this script, which ends the others, once.
names=(a b c)
pids=()
for i in 1 2 3; do
  serve "${names[i - 1]}" "$i"
  setsid "${command[@]}" >"$logs/${names[i - 1]}.log" 2>&1 &
  pids+=($!)
  running[$!]="node ${names[i - 1]}"
done
setsid haproxy -db -f configs/fleet/haproxy.cfg >"$logs/haproxy.log" 2>&1 &
pids+=($!)
running[$!]="the balancer"

ready() { curl --silent --fail --max-time 1 "http://127.0.0.1:920$1/readyz" >/dev/null; }
for i in 1 2 3; do
  for _ in {1..150}; do
    if ready "$i"; then break; fi
    kill -0 "${pids[i - 1]}" 2>/dev/null || break
    sleep 0.1
  done
  ready "$i" || { echo "node ${names[i - 1]} is not ready; $logs/${names[i - 1]}.log says why:" >&2; tail -n 5 "$logs/${names[i - 1]}.log" >&2; exit 1; }
done

cat <<EOF
Three nodes are up, and a balancer on http://127.0.0.1:9000/ (logs in $logs/).

  open http://127.0.0.1:9000/ in two tabs: they land on different nodes, and chat with each other
  curl http://127.0.0.1:9201/api/publish -d '{"channel":"lobby","text":"from the backend"}'     # to any node
  curl http://127.0.0.1:9202/api/publish -d '{"channel":"news.today","text":"hello"}'
  curl 'http://127.0.0.1:9203/api/history?channel=news.today'                                   # news.* keeps 100 messages
  bin/sluice nodes --api http://127.0.0.1:9201                   # who is there; drain lets a node's clients go to the others:
  bin/sluice drain --api http://127.0.0.1:9201 --node c --delay 5s --over 20s   # the delay: until the balancer has seen it
  kill -TERM ${pids[1]}      # node b goes: its clients come back on a and c
  bin/flood run fanout --url ws://127.0.0.1:9000/ -n 3000 --channels 50 --publish-rate 500

Ctrl-C ends them.
EOF

# Says when one of them ends, and how; what the shell says of that goes nowhere.
while ((${#running[@]} > 0)); do
  code=0
  wait -n -p ended "${!running[@]}" || code=$?
  [[ -n ${ended:-} ]] || break
  how="with exit code $code"
  ((code <= 128)) || how="by SIG$(kill -l "$code")"
  echo "${running[$ended]} has ended $how."
  for i in 1 2 3; do
    [[ $ended == "${pids[i - 1]}" ]] || continue
    serve "${names[i - 1]}" "$i"
    echo "  $logs/${names[i - 1]}.log is its log; to start it again, in another terminal: ${command[*]}"
  done
  unset "running[$ended]"
done 2>/dev/null
