package bench

// Scenario is one kind of run. Each stands in a file of its own name.
type Scenario struct {
	Name  string // for Plan.Scenario
	About string // one line
	// check says what of a plan this scenario cannot run.
	check func(p *Plan, bad func(format string, a ...any))
	// start makes what executes it.
	start func(*run) executor
}

// executor runs a scenario to its end, and puts what it measured into run.result,
// also when it returns an error.
type executor interface{ execute() error }

// Scenarios are all there are.
var Scenarios = []Scenario{connectScenario, fanoutScenario, churnScenario}

// scenarioNamed is nil when there is none.
func scenarioNamed(name string) *Scenario {
	for i := range Scenarios {
		if Scenarios[i].Name == name {
			return &Scenarios[i]
		}
	}
	return nil
}
