// Package redisbroker links a node to Redis: one server, a master that sentinels
// watch, or a Redis Cluster.
//
// For the prefix sluice, pub/sub channels and keys are:
//
//	sluice:c:CHANNEL           what is published on a channel, and what its history has stored
//	sluice:n, sluice:n:NODE    control messages, to all nodes or to one
//	sluice:h:{CHANNEL}         the history, a stream; the id of a message is OFFSET-0
//	sluice:m:{CHANNEL}         its epoch and its newest offset
//
// In a Redis Cluster, pub/sub is plain: a node publishes to one server and listens
// there. Sharded pub/sub would need a subscription of its own for each slot, a
// connection to each master, and word of slots that move.
//
// Offsets count a channel's messages. A script gives a message its offset, stores
// it and publishes it, so that all nodes see one order.
package redisbroker
