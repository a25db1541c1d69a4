// Package step holds the operations that a promotion is made of. Each is a small value that can be stored, printed,
// done and undone; what it works on is reached through the small interfaces of Target.
package step

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// Step is one operation at the target. Do and Undo are idempotent: a step that was cut off in the middle is done or undone
// again from whatever state it left.
type Step interface {
	// Describe says in one line what Do does, with names and figures.
	Describe() string
	// Do brings the effect about.
	Do(ctx context.Context, t *Target) error
	// Undo takes the effect back, also where Do never began or was cut off.
	Undo(ctx context.Context, t *Target) error
}

// Undescriber is a step that has something to say about its undoing. A step without it undoes nothing worth a line.
type Undescriber interface{ DescribeUndo() string }

// Checker is a step that can find out beforehand, without touching anything, that Do would fail.
type Checker interface {
	Check(ctx context.Context, t *Target) error
}

// Holder is a step whose effect a restart of the engine can take back: Hold brings it about again while it has to last.
type Holder interface {
	Hold(ctx context.Context, t *Target) error
}

// Side says which half of the program does a step.
type Side string

// The two halves.
const (
	Agent  Side = "agent"
	Driver Side = "driver"
)

// Item is a step in its place in a plan.
type Item struct {
	Name     string // unique within the plan
	Phase    promotion.Phase
	Side     Side
	Deadline time.Duration // 0: only the phase's
	Estimate time.Duration
	Basis    string // of the estimate: what was measured for it, or that nothing was
	Step     Step
}

type itemJSON struct {
	Name        string             `json:"name"`
	Kind        string             `json:"kind"`
	Phase       promotion.Phase    `json:"phase"`
	Side        Side               `json:"side"`
	Description string             `json:"description"`
	Undo        string             `json:"undo,omitempty"`
	Deadline    promotion.Duration `json:"deadline,omitempty"`
	Estimate    promotion.Duration `json:"estimate,omitempty"`
	Basis       string             `json:"basis,omitempty"`
	Parameters  json.RawMessage    `json:"parameters"`
}

// MarshalJSON writes the item with its kind and its description.
func (i Item) MarshalJSON() ([]byte, error) {
	kind, err := kindOf(i.Step)
	if err != nil {
		return nil, err
	}
	parameters, err := json.Marshal(i.Step)
	if err != nil {
		return nil, err
	}
	return json.Marshal(itemJSON{
		Name: i.Name, Kind: kind, Phase: i.Phase, Side: i.Side, Description: i.Step.Describe(), Undo: DescribeUndo(i.Step),
		Deadline: promotion.Milliseconds(i.Deadline), Estimate: promotion.Milliseconds(i.Estimate), Basis: i.Basis, Parameters: parameters,
	})
}

// UnmarshalJSON reads what MarshalJSON wrote; an unknown kind is an error, since it comes from a newer version.
func (i *Item) UnmarshalJSON(data []byte) error {
	var j itemJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	s, err := newOf(j.Kind)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(j.Parameters, s); err != nil {
		return fmt.Errorf("step %s: %w", j.Name, err)
	}
	*i = Item{Name: j.Name, Phase: j.Phase, Side: j.Side, Deadline: j.Deadline.Time(), Estimate: j.Estimate.Time(), Basis: j.Basis, Step: s}
	return nil
}

// DescribeUndo is the line about a step's undoing, empty where there is nothing to say.
func DescribeUndo(s Step) string {
	if u, ok := s.(Undescriber); ok {
		return u.DescribeUndo()
	}
	return ""
}

// kinds names every step as it is stored. The names are part of the stored form: they are never reused for another
// meaning.
func kinds() map[string]func() Step {
	return map[string]func() Step{
		"hold-images":          func() Step { return &HoldImages{} },
		"move-images":          func() Step { return &MoveImages{} },
		"record-release":       func() Step { return &RecordRelease{} },
		"dump-database":        func() Step { return &DumpDatabase{} },
		"rehearse-release":     func() Step { return &RehearseRelease{} },
		"seal-backup":          func() Step { return &SealBackup{} },
		"export-backup":        func() Step { return &ExportBackup{} },
		"stop-services":        func() Step { return &StopServices{} },
		"close-database":       func() Step { return &CloseDatabase{} },
		"record-globals":       func() Step { return &RecordGlobals{} },
		"fingerprint-database": func() Step { return &FingerprintDatabase{} },
		"copy-database":        func() Step { return &CopyDatabase{} },
		"copy-volume":          func() Step { return &CopyVolume{} },
		"move-checkout":        func() Step { return &MoveCheckout{} },
		"open-database":        func() Step { return &OpenDatabase{} },
		"run-job":              func() Step { return &RunJob{} },
		"start-services":       func() Step { return &StartServices{} },
		"verify-services":      func() Step { return &VerifyServices{} },
		"verify-checks":        func() Step { return &VerifyChecks{} },
		"settle":               func() Step { return &Settle{} },
		"send-backup":          func() Step { return &SendBackup{} },
		"load-database":        func() Step { return &LoadDatabase{} },
		"restart-services":     func() Step { return &RestartServices{} },
	}
}

// Kinds lists the types of all steps.
func Kinds() []string {
	var list []string
	for _, make := range kinds() {
		list = append(list, fmt.Sprintf("%T", make()))
	}
	slices.Sort(list)
	return list
}

func kindOf(s Step) (string, error) {
	want := fmt.Sprintf("%T", s)
	for kind, make := range kinds() {
		if fmt.Sprintf("%T", make()) == want {
			return kind, nil
		}
	}
	return "", fmt.Errorf("step %T has no kind", s)
}

func newOf(kind string) (Step, error) {
	make, ok := kinds()[kind]
	if !ok {
		return nil, fmt.Errorf("unknown kind of step %q: the plan was made by a newer version of promote", kind)
	}
	return make(), nil
}
