package suite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each target writes its own part of the file, in whatever order they run.
func TestPartsKeepEachOther(t *testing.T) {
	bench, million := func(s string) string { return s + "\n" }, func(s string) string { return MillionPart.mark() + s + "\n" }
	for _, tt := range []struct {
		name string
		old  string
		part Part
		text string
		want string
	}{
		{"bench, the first", "", BenchPart, "new\n", bench("new")},
		{"bench, alone", bench("old"), BenchPart, "new\n", bench("new")},
		{"bench, above", bench("old") + "\n" + million("kept"), BenchPart, "new\n", bench("new") + "\n" + million("kept")},
		{"million, the first", "", MillionPart, "new\n", million("new")},
		{"million, below", bench("kept"), MillionPart, "new\n", bench("kept") + "\n" + million("new")},
		{"million, again", bench("kept") + "\n" + million("old"), MillionPart, "new\n", bench("kept") + "\n" + million("new")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "RESULTS.md")
			if tt.old != "" {
				if err := os.WriteFile(path, []byte(tt.old), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := SavePart(path, tt.part, []byte(tt.text)); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if err := SavePart(t.TempDir(), BenchPart, nil); err == nil {
		t.Error("a directory was written to")
	}
}
