// Package broker carries publications between the nodes of a fleet.
//
// A Link is the connection to an engine (natsbroker, redisbroker); the Broker
// above it knows which channels this node wants, and puts right what was lost:
//
//	hub.Publish ─▶ Broker.Publish ─▶ envelope ─▶ Link ═▶ engine ═▶ Link of another node ─▶ Broker ─▶ Hub.Deliver
//
// A node is subscribed to a channel while it has subscribers of it, and for a
// short linger. One link a node, bounded in and out.
package broker
