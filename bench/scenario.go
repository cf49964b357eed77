package bench

import "fmt"

// Scenario is one kind of run. Each stands in a file of its own name.
type Scenario struct {
	Name  string // for Plan.Scenario
	About string // one line
	// prepare fills in the defaults that are the scenario's own; nil: it has none.
	prepare func(p *Plan)
	// check says what of a plan this scenario cannot run.
	check func(p *Plan, bad func(format string, a ...any))
	// share says why several processes cannot share the plan; "": they can. A
	// scenario that has none of it runs in one process only.
	share func(p *Plan) string
	// start makes what executes it.
	start func(*run) executor
}

// executor runs a scenario to its end, and puts what it measured into run.result,
// also when it returns an error.
//
// It may be one of several that share the plan (run.share): then it opens its
// share of the connections, and counts what it sees itself. What one process must
// know of the others it learns in a meeting (meet), as when all start together.
type executor interface{ execute() error }

// Scenarios are all there are.
var Scenarios = []Scenario{
	connectScenario, fanoutScenario, churnScenario, echoScenario,
	stormScenario, slowScenario, drainScenario, mixScenario, hostileScenario,
}

// sharable is for Scenario.share: any plan of it.
func sharable(*Plan) string { return "" }

// indivisible says why the plan cannot run in several processes; "": it can.
func (p *Plan) indivisible() string {
	s := scenarioNamed(p.Scenario)
	if s == nil || s.share == nil {
		return fmt.Sprintf("%s runs in one process only", p.Scenario)
	}
	return s.share(p)
}

// scenarioNamed is nil when there is none.
func scenarioNamed(name string) *Scenario {
	for i := range Scenarios {
		if Scenarios[i].Name == name {
			return &Scenarios[i]
		}
	}
	return nil
}
