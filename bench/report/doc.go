// Package report makes pages and comparisons of results that were saved. It
// knows results as data: nothing here measures.
package report
