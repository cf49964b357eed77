package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestBadFiles loads one file for each kind of mistake, unknown keys among them
// (O4), and brokers that strangers could join (B4), and compares what is said of it with the text beside it.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".bad.yaml"), func(t *testing.T) {
			c, problems := Load(Source{File: f})
			if c != nil || len(problems) == 0 {
				t.Fatal("the file was accepted")
			}
			golden(t, strings.TrimSuffix(f, ".yaml")+".txt", []byte(problems.String()))
		})
	}
}
