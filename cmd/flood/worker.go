package main

import (
	"os"
	"os/signal"
	"syscall"

	"sluice/bench"
)

// workerCmd is one of the processes of 'flood run --procs'.
type workerCmd struct{}

func (workerCmd) Run() error {
	// The process that started this one decides when it ends; what ends this one
	// alone must be seen there as its death.
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	return bench.Work(os.Stdin, os.Stdout)
}

// workerArgs are the arguments that make this executable a worker.
func workerArgs() []string { return []string{os.Args[0], "worker"} }
