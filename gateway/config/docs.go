package config

// The comments on the fields of config.go are also what configs/sluice.yaml and
// `sluice config` say of each key. The first command copies them into docs, the
// second writes the files that are made from them.
//
//go:generate go test . -run ^TestDocs$ -update
//go:generate go test . -run ^TestDefaultFile$ -update
