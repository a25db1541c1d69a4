package config

// Policy is when a promotion may start, and how long it may take.
type Policy struct {
	Ready           int            `yaml:"ready" jsonschema:"minimum=0,maximum=100,default=90" jsonschema_description:"Readiness score from which the verdict is ready."`
	Caution         int            `yaml:"caution" jsonschema:"minimum=0,maximum=100,default=75" jsonschema_description:"Readiness score from which the verdict is caution; below it is not-ready."`
	Coverage        int            `yaml:"coverage" jsonschema:"minimum=0,maximum=100,default=80" jsonschema_description:"Share of the readiness score's weight that has to be measured, in percent; below it the verdict is unknown."`
	Weights         map[string]int `yaml:"weights" jsonschema_description:"Weights of objectives of the readiness score, where they differ from the defaults in score.md; 0 takes one out of the score."`
	Verdict         OnVerdict      `yaml:"verdict" jsonschema:"default=report" jsonschema_description:"What a promotion does with the comparison's verdict after the tests: say it, or enforce it: not-ready and unknown stop before anything is touched, caution as on_caution says."`
	OnCaution       OnCaution      `yaml:"on_caution" jsonschema:"default=stop" jsonschema_description:"What a promotion does on caution where the verdict is enforced."`
	Branches        []string       `yaml:"branches" jsonschema:"example=main" jsonschema_description:"Branches that may be promoted, with * within one part of the name. Default: any."`
	Clean           bool           `yaml:"clean" jsonschema:"default=false" jsonschema_description:"Whether uncommitted or untracked files refuse a promotion. Otherwise they are a warning."`
	Pushed          bool           `yaml:"pushed" jsonschema:"default=false" jsonschema_description:"Whether a commit that the remote does not have refuses a promotion. Otherwise it is a warning."`
	Settle          Duration       `yaml:"settle" jsonschema:"default=5s" jsonschema_description:"How long nothing may restart after deploy before verify passes."`
	Deadline        Duration       `yaml:"deadline" jsonschema:"default=30m" jsonschema_description:"How long a promotion may take from shutdown to the end of verify before it rolls back."`
	PhaseDeadline   Duration       `yaml:"phase_deadline" jsonschema:"default=15m" jsonschema_description:"How long a promotion that is run phase by phase may be left between two mutating phases before it rolls back."`
	ReplaceDatabase bool           `yaml:"replace_database" jsonschema:"default=false" jsonschema_description:"Whether the container of a database service is replaced when its image or configuration changed. Otherwise the change is only reported."`
	Rehearse        Rehearse       `yaml:"rehearse" jsonschema:"default=off" jsonschema_description:"Whether a promotion first runs the migration on a copy of the databases in a closed network, and the present release on what it leaves. A migration that fails there refuses the promotion."`
}

// Rehearse says whether a promotion is rehearsed.
type Rehearse string

// The answers to a rehearsal.
const (
	RehearseOff Rehearse = "off"
	RehearseOn  Rehearse = "on"
)

func (Rehearse) choices() []string { return []string{string(RehearseOff), string(RehearseOn)} }

// OnVerdict is what a promotion does with the verdict of its comparison.
type OnVerdict string

// The answers to a verdict.
const (
	ReportVerdict  OnVerdict = "report"
	EnforceVerdict OnVerdict = "enforce"
)

func (OnVerdict) choices() []string { return []string{string(ReportVerdict), string(EnforceVerdict)} }

// OnCaution is what a promotion does when the verdict is caution.
type OnCaution string

// The answers to caution.
const (
	StopOnCaution     OnCaution = "stop"
	ContinueOnCaution OnCaution = "continue"
)

func (OnCaution) choices() []string {
	return []string{string(StopOnCaution), string(ContinueOnCaution)}
}
