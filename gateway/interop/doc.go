// Package interop holds a whole node to clients that share none of its code:
// coder/websocket here, and behind the build tag interop a matrix of the
// clients that platforms use (the folder clients), and npm's ws by the
// thousands. The demo page in a Chromium is in the folder browser. It has
// nothing but tests.
package interop
