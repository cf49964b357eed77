// Package interop holds the generator to servers that share none of its code:
// gorilla/websocket and gws here, npm's ws behind the build tag interop. It has
// nothing but tests.
package interop
