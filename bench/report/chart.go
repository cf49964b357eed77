package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// chart is one picture, before it has a size.
type chart struct {
	title string
	about string // for who cannot see it
	x, y  scale
	xTick func(float64) string
	yTick func(float64) string
	xUnit string
	lines []line
	bands []band
	marks []mark
}

// line is a curve. Points stand in the order of x; a NaN is a gap.
type line struct {
	name   string
	colour int  // of the palette, from 0
	faint  bool // the lesser one of a pair
	points []point
}

type point struct{ x, y float64 }

// band is a part of the x axis with a name.
type band struct {
	name     string
	from, to float64
}

type mark struct {
	name string
	x    float64
}

// Sizes of a picture, in the units of its view box. On a phone a unit is four
// fifths of a pixel, so text of 12 can still be read.
const (
	width, height = 480.0, 250.0
	left          = 52.0
	top, bottom   = 30.0, 34.0
	lineHeight    = 13.0
	letter        = 6.9 // of a label; those of bands are smaller
	bandLetter    = 5.4
	palette       = 6 // colours that the page has
)

// The picture as the page's template draws it.
type picture struct {
	Title, About  string
	Width, Height float64
	Frame         box
	Bands         []pictureBand
	Horizontal    []tick
	Vertical      []tick
	XUnit         string
	Curves        []curve
	Labels        []label
	Marks         []label
}

type box struct{ X, Y, W, H, Right, Bottom float64 }

type pictureBand struct {
	box
	Name string // empty: too narrow for it
	Even bool
}

type tick struct {
	At   float64
	Text string
}

type curve struct {
	Path   string
	Colour int
	Faint  bool
	Name   string
}

type label struct {
	X, Y   float64
	Text   string
	Colour int
	Faint  bool
}

// draw gives a chart its places.
func (c *chart) draw() picture {
	longest := 0
	for _, l := range c.lines {
		if len(l.points) > 0 {
			longest = max(longest, len([]rune(l.name)))
		}
	}
	right := max(10+letter*float64(longest), 30) // labels stand behind the curves' ends
	f := box{X: left, Y: top, W: width - left - right, H: height - top - bottom}
	f.Right, f.Bottom = f.X+f.W, f.Y+f.H
	p := picture{Title: c.title, About: c.about, Width: width, Height: height, Frame: f, XUnit: c.xUnit}
	px := func(v float64) float64 { return tenth(f.X + f.W*c.x.at(v)) }
	py := func(v float64) float64 { return tenth(f.Bottom - f.H*c.y.at(v)) }
	for i, b := range c.bands {
		from, to := px(b.from), px(b.to)
		pb := pictureBand{box: box{X: from, Y: f.Y, W: tenth(to - from), H: f.H}, Even: i%2 == 0}
		if float64(len(b.name))*bandLetter <= to-from {
			pb.Name = b.name
		}
		p.Bands = append(p.Bands, pb)
	}
	for _, v := range c.y.ticks {
		p.Horizontal = append(p.Horizontal, tick{py(v), c.yTick(v)})
	}
	for _, v := range c.x.ticks {
		p.Vertical = append(p.Vertical, tick{px(v), c.xTick(v)})
	}
	for _, l := range c.lines {
		path, end := l.path(px, py)
		if path == "" {
			continue
		}
		p.Curves = append(p.Curves, curve{path, l.colour % palette, l.faint, l.name})
		p.Labels = append(p.Labels, label{X: f.Right + 5, Y: end, Text: l.name, Colour: l.colour % palette, Faint: l.faint})
	}
	spread(p.Labels, f.Y, f.Bottom)
	for _, m := range c.marks {
		p.Marks = append(p.Marks, label{X: px(m.x), Y: f.Y, Text: m.name})
	}
	return p
}

// path is the curve in the language of SVG, and where it ends.
func (l *line) path(px, py func(float64) float64) (path string, end float64) {
	var b strings.Builder
	pen := "M"
	for _, pt := range l.points {
		if math.IsNaN(pt.y) {
			pen = "M"
			continue
		}
		end = py(pt.y)
		fmt.Fprintf(&b, "%s%g %g", pen, px(pt.x), end)
		if pen == "M" {
			fmt.Fprintf(&b, "h.1") // a single point is seen, too
		}
		pen = "L"
	}
	return b.String(), end
}

// spread moves labels apart that would cover each other, within low and high.
func spread(labels []label, low, high float64) {
	order := make([]*label, len(labels))
	for i := range labels {
		order[i] = &labels[i]
	}
	slices.SortStableFunc(order, func(a, b *label) int { return int(math.Copysign(1, a.Y-b.Y)) })
	for i, l := range order {
		if i > 0 && l.Y < order[i-1].Y+lineHeight {
			l.Y = order[i-1].Y + lineHeight
		}
	}
	for i := len(order) - 1; i >= 0; i-- {
		limit := high
		if i < len(order)-1 {
			limit = order[i+1].Y - lineHeight
		}
		order[i].Y = max(min(order[i].Y, limit), low)
	}
}

// tenth rounds, so that paths are short.
func tenth(v float64) float64 { return math.Round(v*10) / 10 }
