// Package attack plays attacks against a WebSocket server: what hostile clients
// send, at the full speed of this process, for a given time.
//
// An attack is one of All. Play runs it over so many sockets and says how its
// attempts ended: by which HTTP status, close code or cut. What a server must never
// do, such as answering a smuggled request, is counted as a breach.
//
// It is meant for a process of its own (Serve), so that the clients beside it,
// whose latency is measured, wait for the server and not for the attacker.
// The bytes of an attack are made here by hand: a well-behaved client library
// would refuse to send them.
package attack
