// Package redisbroker links a node to Redis: one server, a master that sentinels
// watch, or a Redis Cluster.
//
// For the prefix sluice, pub/sub channels and keys are:
//
//	sluice:c:CHANNEL              what is published on a channel, and what its history has stored
//	sluice:n, sluice:n:NODE       control messages, to all nodes or to one; always plain pub/sub
//	sluice:h:{sluice:c:CHANNEL}   the history, a stream; the id of a message is OFFSET-0
//	sluice:m:{sluice:c:CHANNEL}   its epoch and its newest offset
//
// In a Redis Cluster, all of a channel is in one slot. With sharded pub/sub
// (shards.go), a node publishes to the slot's master and is subscribed there; with
// plain pub/sub, it publishes to one server and listens there, and the servers pass
// on to all others what they get.
//
// Offsets count a channel's messages. A script gives a message its offset, stores
// it and publishes it, so that all nodes see one order.
package redisbroker
