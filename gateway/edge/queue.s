// Functions without a body, as in queue.go, need a file like this in their package.
