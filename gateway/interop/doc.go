// Package interop holds a whole node to clients that share none of its code:
// coder/websocket here, npm's ws behind the build tag interop, a Chromium in
// the folder browser. It has nothing but tests.
package interop
