// Package browser holds the demo page and the real binary to a Chromium,
// headless. Its tests stand behind the build tag browser and need a chromium
// on the PATH.
package browser
