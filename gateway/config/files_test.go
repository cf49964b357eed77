package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	defaultFile = "../../configs/sluice.yaml"
	configFiles = "../../configs/*.yaml"
	readme      = "../../README.md"
	manuals     = "../../docs/*.md"
)

// secrets lets cmp look into Secret.
var secrets = cmp.Comparer(func(a, b Secret) bool { return a == b })

// TestShippedFiles loads every file in configs/.
func TestShippedFiles(t *testing.T) {
	files, err := filepath.Glob(configFiles)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", configFiles, err)
	}
	for _, f := range files {
		f, err := filepath.Abs(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Chdir(t.TempDir()) // where the files that a configuration names are
			sample(t)
			if _, problems := Load(Source{File: f}); len(problems) > 0 {
				t.Error(problems)
			}
		})
	}
}

// TestDocuments loads every configuration in the README and in docs/.
func TestDocuments(t *testing.T) {
	files, err := filepath.Glob(manuals)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, readme) {
		if filepath.Base(file) == "flood.md" {
			continue // its YAML is the flood's, whose tests load it
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line, block := range yamlBlocks(string(text)) {
			t.Run(filepath.Base(file)+" line "+strconv.Itoa(line), func(t *testing.T) {
				t.Chdir(t.TempDir())
				sample(t)
				if _, problems := load(Source{File: file}, []byte(block)); len(problems) > 0 {
					t.Errorf("in the block after line %d:\n%v", line, problems)
				}
			})
		}
	}
}

// yamlBlocks returns the fenced blocks of YAML in a Markdown text by the line of their fence.
func yamlBlocks(text string) map[int]string {
	blocks := map[int]string{}
	start := 0
	for i, line := range strings.Split(text, "\n") {
		fence := strings.TrimSpace(line)
		switch {
		case start == 0 && (fence == "```yaml" || fence == "```yml"):
			start = i + 1
			blocks[start] = ""
		case start > 0 && fence == "```":
			start = 0
		case start > 0:
			blocks[start] += line + "\n"
		}
	}
	return blocks
}
