package report

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"

	"sluice/bench"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// Named is a result and what a page calls it, usually its file's name.
type Named struct {
	Name   string
	Result *bench.Result
}

// Chapter is a part of a page: results that belong together, and words about them.
type Chapter struct {
	Title string
	Text  string // beneath the title; may be empty
	Runs  []Named
}

// HTML writes one page with pictures of the results: no script, nothing from
// elsewhere, so that it can be mailed and read offline. Several results are laid
// over each other. Of an INVALID one it shows why, and no figures.
func HTML(w io.Writer, results ...Named) error {
	if len(results) == 0 {
		return errors.New("report: nothing to report")
	}
	return Book(w, "flood "+results[0].Result.Plan.Scenario, Chapter{Runs: results})
}

// Book writes one page with a chapter for each group of results.
func Book(w io.Writer, title string, chapters ...Chapter) error {
	data := struct {
		Title    string
		Chapters []pageChapter
	}{Title: title}
	for i := range chapters {
		c, err := newPageChapter(&chapters[i])
		if err != nil {
			return err
		}
		data.Chapters = append(data.Chapters, c)
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// pageChapter is a chapter as the template takes it.
type pageChapter struct {
	Title, Text string
	Runs        []pageRun
	Pictures    []picture
	Several     bool
}

func newPageChapter(c *Chapter) (pageChapter, error) {
	out := pageChapter{Title: c.Title, Text: c.Text, Several: len(c.Runs) > 1}
	var valid []run
	for _, n := range c.Runs {
		pr, err := newPageRun(n, len(valid))
		if err != nil {
			return out, err
		}
		out.Runs = append(out.Runs, pr)
		if n.Result.Invalid == "" {
			valid = append(valid, run{n.Result, n.Name})
		}
	}
	if len(valid) > 0 {
		list := charts(valid)
		for i := range list {
			out.Pictures = append(out.Pictures, list[i].draw())
		}
	}
	return out, nil
}

// pageRun is what the page says of a result in words and tables.
type pageRun struct {
	Name     string
	Colour   int
	Invalid  string
	When     string
	Verdict  string
	Good     bool
	Headline []figure
	Text     string // the text report
	Plan     []figure
}

type figure struct{ Name, Value, Note string }

func newPageRun(n Named, colour int) (pageRun, error) {
	r := n.Result
	p := pageRun{Name: n.Name, Colour: colour % palette, Invalid: r.Invalid, When: r.Started.UTC().Format("2006-01-02 15:04:05 UTC")}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		return p, fmt.Errorf("report: %s: %w", n.Name, err)
	}
	p.Text = text.String()
	for _, f := range planFields(&r.Plan) {
		p.Plan = append(p.Plan, figure{Name: f.name, Value: f.value})
	}
	if r.Invalid != "" {
		return p, nil
	}
	p.Good = r.OK()
	p.Verdict = "everything arrived, once, in order"
	switch {
	case r.Operation == "handshake" && r.Published == 0 && p.Good:
		p.Verdict = "every connection was made and kept"
	case !p.Good:
		p.Verdict = "not everything went as it should: see below"
	}
	p.Headline = headline(r)
	return p, nil
}

// headline are the few figures that most readers want.
func headline(r *bench.Result) []figure {
	list := []figure{
		{"connections", plain(float64(r.Opened)), fails(r)},
		{bench.Plural(r.Operation) + " per second", plain(r.PerSecond()), "in " + trim(r.Window.Seconds()) + " s"},
	}
	if l := r.MainLatency(); l != nil {
		list = append(list, figure{"p99, " + l.Name, duration(float64(l.P99)), "median " + duration(float64(l.P50))})
	}
	if r.ServerCPU > 0 {
		list = append(list, figure{"server CPU per " + r.Operation, duration(1e3 * r.ServerMicros()), "generator " + duration(1e3*r.ClientMicros())})
	}
	if b := r.BytesPerConnection(); b > 0 {
		list = append(list, figure{"memory per connection", trim(b) + " B", "anonymous, resident"})
	}
	return list
}

func fails(r *bench.Result) string {
	if r.Failed == 0 && r.Lost == 0 {
		return "none failed"
	}
	return fmt.Sprintf("%d failed, %d lost", r.Failed, r.Lost)
}
