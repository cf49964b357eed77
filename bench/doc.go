// Package bench is a WebSocket load generator whose numbers can be trusted.
//
// A Plan says what to do, Run does it with an epoll loop of its own (no
// goroutine and no timer per connection), and the Result is data, from which
// reports are made later.
//
// What makes the numbers worth reading:
//   - Every published payload carries its publisher, a sequence number, the time
//     at which it was planned to be sent and a checksum over the rest. Every
//     subscriber checks every message for gap, duplicate, reorder and corruption.
//   - Latency counts from the planned time, not from when the send happened, so
//     that a generator or server that stalls cannot hide its queue.
//   - A run in which the generator itself was the limit has no figures: it is
//     INVALID, with the reason.
//   - The server's CPU time per operation stands beside every throughput, as it
//     is what survives a noisy machine.
//
// The package uses the WebSocket codec of the gateway and nothing else of it.
package bench
