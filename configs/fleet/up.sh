#!/usr/bin/env bash
# Starts three nodes and a balancer on this machine, says what to try, and ends
# them all when it is ended. `make fleet` calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
logs=.cache/fleet
mkdir -p "$logs"

pids=()
finish() {
  trap - EXIT INT TERM
  printf '\nending the fleet: each node lets its clients go within 5 s\n'
  ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
  wait
}
trap finish EXIT
trap 'exit 0' INT TERM

names=(a b c)
for i in 1 2 3; do
  bin/sluice serve -c configs/fleet/node.yaml --listen "127.0.0.1:910$i" --admin "127.0.0.1:920$i" \
    --set "broker.node=${names[i - 1]}" --set "broker.cluster.listen=127.0.0.1:930$i" >"$logs/${names[i - 1]}.log" 2>&1 &
  pids+=($!)
done
haproxy -db -f configs/fleet/haproxy.cfg >"$logs/haproxy.log" 2>&1 &
pids+=($!)

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
  curl 'http://127.0.0.1:9203/api/history?channel=news.today'                                   # news.* keeps 100 messages
  kill -TERM ${pids[1]}      # node b goes: its clients come back on a and c
  bin/flood run fanout --url ws://127.0.0.1:9000/ -n 3000 --channels 50 --publish-rate 500

Ctrl-C ends them.
EOF
wait
