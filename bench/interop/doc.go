// Package interop holds the generator to servers that share none of its code:
// gorilla/websocket and gws. It has nothing but tests.
package interop
