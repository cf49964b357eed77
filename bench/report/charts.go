package report

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/bench"
)

// run is one result with the name that the page calls it by.
type run struct {
	*bench.Result
	name string
}

// charts are the pictures of the runs, laid over each other. What no run has
// measured has none.
func charts(runs []run) []chart {
	all := []chart{
		connections(runs),
		throughput(runs),
		latency(runs),
		percentiles(runs),
		cpu(runs),
		memory(runs),
		failures(runs),
	}
	return slices.DeleteFunc(all, func(c chart) bool {
		return !slices.ContainsFunc(c.lines, func(l line) bool { return len(l.points) > 0 })
	})
}

// overTime is a chart with time below, and the phases of a single run.
func overTime(title, about string, runs []run) chart {
	c := chart{title: title, about: about, xTick: clock, xUnit: "since the start"}
	longest := 0.0
	for _, r := range runs {
		if r.Series == nil || len(r.Series.Samples) == 0 {
			continue
		}
		s := r.Series
		longest = max(longest, s.At(&s.Samples[len(s.Samples)-1]).Seconds())
		if len(runs) > 1 {
			continue
		}
		for i := range s.Samples {
			x := &s.Samples[i]
			to := s.At(x).Seconds()
			if n := len(c.bands); n > 0 && c.bands[n-1].name == x.Phase {
				c.bands[n-1].to = to
				continue
			}
			from := 0.0
			if n := len(c.bands); n > 0 {
				from = c.bands[n-1].to
			}
			c.bands = append(c.bands, band{x.Phase, from, to})
		}
		for _, m := range s.Marks {
			c.marks = append(c.marks, mark{m.Name, m.At.Seconds()})
		}
	}
	c.x = between(longest)
	return c
}

// curveOf has a point for each sample; where value is NaN there is none.
func (r *run) curveOf(name string, colour int, value func(*bench.Sample) float64) line {
	l := line{name: name, colour: colour}
	if r.Series == nil {
		return l
	}
	any := false
	for i := range r.Series.Samples {
		x := &r.Series.Samples[i]
		v := value(x)
		any = any || !math.IsNaN(v)
		l.points = append(l.points, point{r.Series.At(x).Seconds(), v})
	}
	if !any {
		l.points = nil
	}
	return l
}

// highest value of all lines.
func (c *chart) highest() (v float64) {
	for _, l := range c.lines {
		for _, p := range l.points {
			if p.y > v {
				v = p.y
			}
		}
	}
	return v
}

func (c *chart) lowest() float64 {
	v := math.Inf(1)
	for _, l := range c.lines {
		for _, p := range l.points {
			if p.y > 0 && p.y < v {
				v = p.y
			}
		}
	}
	return v
}

// name is a line's name: what it shows, or whose it is where there are several runs.
func nameOf(runs []run, r *run, what string) string {
	if len(runs) == 1 {
		return what
	}
	return r.name
}

func connections(runs []run) chart {
	c := overTime("Connections", "open connections over time", runs)
	for i := range runs {
		c.lines = append(c.lines, runs[i].curveOf(nameOf(runs, &runs[i], "open"), i, func(x *bench.Sample) float64 { return float64(x.Open) }))
	}
	c.y, c.yTick = linear(c.highest()), plain
	return c
}

func throughput(runs []run) chart {
	c := overTime("Throughput, "+operations(runs)+" per second", operations(runs)+" per second over time", runs)
	for i := range runs {
		c.lines = append(c.lines, runs[i].curveOf(nameOf(runs, &runs[i], operations(runs)), i, func(x *bench.Sample) float64 {
			return perSecond(float64(x.Operations), x.Took)
		}))
	}
	c.y, c.yTick = linear(c.highest()), plain
	return c
}

func operations(runs []run) string {
	if runs[0].Operation == "" {
		return "operations"
	}
	return bench.Plural(runs[0].Operation)
}

func perSecond(v float64, took time.Duration) float64 {
	if took <= 0 {
		return math.NaN()
	}
	return v / took.Seconds()
}

func latency(runs []run) chart {
	c := overTime("Latency", "latency over time, median and 99th percentile", runs)
	some := func(d time.Duration) float64 {
		if d == 0 {
			return math.NaN()
		}
		return float64(d)
	}
	for i := range runs {
		p99 := runs[i].curveOf(nameOf(runs, &runs[i], "p99"), i, func(x *bench.Sample) float64 { return some(x.P99) })
		p50 := runs[i].curveOf("p50", i, func(x *bench.Sample) float64 { return some(x.P50) })
		p50.faint = true
		if len(runs) > 1 {
			p99.name += " p99"
		}
		c.lines = append(c.lines, p99, p50)
	}
	c.y, c.yTick = logarithmic(c.lowest(), c.highest()), duration
	return c
}

// percentiles shows each distribution of the one run, or the main one of several.
func percentiles(runs []run) chart {
	c := chart{title: "Latency by percentile", about: "latency by percentile", xTick: nines, xUnit: "percentile"}
	c.x = logarithmic(1, 1e5)
	for i := range runs {
		list := distributions(runs[i].Result)
		if len(runs) > 1 && len(list) > 1 {
			list = list[:1]
		}
		for k, d := range list {
			l := line{name: d.Name, colour: i + k}
			if len(runs) > 1 {
				l.name = runs[i].name
			}
			h, err := hdrhistogram.Decode(d.HDR)
			if err != nil {
				continue
			}
			for at := 0.0; at <= 5.0001; at += 0.05 {
				rest := math.Pow(10, at) // 1 of so many is above
				if at > 0 && rest > float64(d.Count) {
					break
				}
				v := float64(h.ValueAtQuantile(100 * (1 - 1/rest)))
				l.points = append(l.points, point{rest, max(min(v, float64(d.Max)), 1)})
			}
			c.lines = append(c.lines, l)
		}
	}
	c.y, c.yTick = logarithmic(c.lowest(), c.highest()), duration
	return c
}

// nines names the percentile above which one of n is.
func nines(n float64) string {
	if n < 1.5 {
		return "0"
	}
	return trim6(100 * (1 - 1/n))
}

// distributions are the latencies of a result, the main one first.
func distributions(r *bench.Result) []bench.Latency {
	var list []bench.Latency
	first := r.MainLatency()
	for _, l := range r.AllLatencies() {
		if len(l.HDR) == 0 {
			continue
		}
		if l.Name == first.Name {
			list = slices.Insert(list, 0, l)
		} else {
			list = append(list, l)
		}
	}
	return list
}

func cpu(runs []run) chart {
	c := overTime("CPU, % of a core", "CPU time of server and generator over time", runs)
	share := func(used, took time.Duration) float64 {
		if used <= 0 {
			return math.NaN()
		}
		return 100 * perSecond(used.Seconds(), took)
	}
	for i := range runs {
		c.lines = append(c.lines, runs[i].curveOf(nameOf(runs, &runs[i], "server"), i, func(x *bench.Sample) float64 { return share(x.ServerCPU, x.Took) }))
		if len(runs) == 1 {
			g := runs[i].curveOf("generator", i+1, func(x *bench.Sample) float64 { return share(x.ClientCPU, x.Took) })
			c.lines = append(c.lines, g)
		}
	}
	c.y, c.yTick = linear(c.highest()), percent
	return c
}

func memory(runs []run) chart {
	c := overTime("Memory of the server", "anonymous resident memory of the server over time", runs)
	for i := range runs {
		c.lines = append(c.lines, runs[i].curveOf(nameOf(runs, &runs[i], "resident"), i, func(x *bench.Sample) float64 {
			if x.Memory == 0 {
				return math.NaN()
			}
			return float64(x.Memory)
		}))
	}
	c.y, c.yTick = mebi(c.highest()), mebibytes
	return c
}

// mebi is a linear scale whose ticks are round in MiB.
func mebi(highest float64) scale {
	s := linear(highest / (1 << 20))
	s.high *= 1 << 20
	for i := range s.ticks {
		s.ticks[i] *= 1 << 20
	}
	return s
}

func failures(runs []run) chart {
	c := overTime("Errors per second", "failed dials and lost connections over time", runs)
	for i := range runs {
		l := runs[i].curveOf(nameOf(runs, &runs[i], "errors"), i, func(x *bench.Sample) float64 {
			return perSecond(float64(x.Errors), x.Took)
		})
		if !slices.ContainsFunc(l.points, func(p point) bool { return p.y > 0 }) {
			l.points = nil
		}
		c.lines = append(c.lines, l)
	}
	c.y, c.yTick = linear(c.highest()), plain
	return c
}
