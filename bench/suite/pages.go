package suite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice/bench"
	"sluice/bench/report"
)

// kept is where the last run of the row that is being measured is kept.
func (s *Suite) kept(server string) string { return s.runFile(s.row, server) }

func (s *Suite) runFile(row, server string) string {
	name := strings.NewReplacer(" ", "", ",", "-").Replace(row + "-" + server)
	return filepath.Join(s.Runs, name+".json")
}

// Page writes a page with a chapter for each row: what was judged, and pictures
// of the last round, the servers laid over each other.
func (s *Suite) Page(path string, outcomes []Outcome) error {
	var chapters []report.Chapter
	for _, o := range outcomes {
		c := report.Chapter{Title: o.Row.Title(s.Scale), Text: o.words()}
		for _, server := range o.Row.Servers {
			r, err := bench.Load(s.runFile(o.Row.Name, server))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			c.Runs = append(c.Runs, report.Named{Name: server, Result: r})
		}
		chapters = append(chapters, c)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("suite: page: %w", err)
	}
	title := fmt.Sprintf("Sluice beside the floor, %s", time.Now().UTC().Format("2006-01-02"))
	return errors.Join(report.Book(f, title, chapters...), f.Close())
}

// words are the medians of the rounds, and what was judged.
func (o Outcome) words() string {
	var parts []string
	for i, m := range o.Row.Metrics {
		text := m.Name + ": "
		for k, server := range o.Row.Servers {
			if k > 0 {
				text += ", "
			}
			text += fmt.Sprintf("%s %s %s", server, spread(o.Values[server], i), m.Unit)
		}
		verdict := "holds"
		if !m.holds(o.judged(i)) {
			verdict = "missed"
		}
		parts = append(parts, fmt.Sprintf("%s. Judged %s, bar %s: %s.", text, figure(o.judged(i)), m.limit(m.Bar), verdict))
	}
	return strings.Join(parts, " ") + " The pictures are of the last round."
}
