// Package natsbroker links a node to NATS: to servers of their own, or to one
// inside the process, which makes a cluster with those of the other nodes.
//
// Subjects, for the prefix sluice:
//
//	sluice.c.CHANNEL          what is published on a channel, and what a history has stored
//	sluice.h.CLASS.CHANNEL    what is to be stored in the channel's history
//	sluice.n, sluice.n.NODE   control messages, to all nodes or to one
//	sluice.s                  a node asks whether the others' servers know its subscriptions
//
// A channel's name is a subject as it is: its alphabet has no wildcard, and its
// segments are separated by dots as NATS's tokens are.
//
// Histories are JetStream streams, one for each class of channels; a message's
// offset is its sequence number in the stream, so a channel's offsets grow with
// gaps. A stream republishes what it has stored, with the offsets of the message
// and of the channel's one before (ADR-8, ADR-28, ADR-31 of NATS).
package natsbroker
