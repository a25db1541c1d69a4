// Package plan decides what a promotion will do and writes it down as data: the ordered steps, what each is expected to
// take, and what a rollback can keep. It reads two snapshots, a release and the policy, and touches nothing.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// Schema names the stored form of a plan.
const Schema = "promote.plan/1"

// Class says what a rollback of the release can keep.
type Class string

// The rollback classes.
const (
	AppOnly Class = "app-only" // the old images run on the migrated database: data untouched
	Replay  Class = "replay"   // old schema, later writes carried over
	Restore Class = "restore"  // back to the moment of shutdown; later writes are lost
)

// Release is what is promoted.
type Release struct {
	ID      string       `json:"id"` // derived from commit and images: equal content, equal id
	Commit  string       `json:"commit,omitempty"`
	Branch  string       `json:"branch,omitempty"`
	Subject string       `json:"subject,omitempty"`
	Author  string       `json:"author,omitempty"`
	Images  []step.Image `json:"images"` // sorted by service
}

// Name derives the release's id.
func (r Release) Name() string {
	h := sha256.New()
	h.Write([]byte(r.Commit))
	for _, i := range r.Images {
		h.Write([]byte("\n" + i.Service + " " + i.ID))
	}
	return "r-" + hex.EncodeToString(h.Sum(nil))[:12]
}

// Action is what happens to one service of the target.
type Action string

// The actions.
const (
	Replace Action = "replace" // stopped, and made again from the release
	Start   Action = "start"   // new at the target
	Run     Action = "run"     // a one-shot of the release
	Keep    Action = "keep"    // a database: stays up, is not replaced
	Leave   Action = "leave"   // not part of the release: untouched
)

// Change is what happens to one service, and why.
type Change struct {
	Service  string `json:"service"`
	Action   Action `json:"action"`
	From     string `json:"from,omitempty"` // image id that runs
	To       string `json:"to,omitempty"`   // image id that will run
	FromName string `json:"from_name,omitempty"`
	ToName   string `json:"to_name,omitempty"`
	Reason   string `json:"reason"`
}

// Estimate is what the promotion is expected to take here.
type Estimate struct {
	Downtime   promotion.Duration `json:"downtime"`        // first service stopped to last service healthy
	Total      promotion.Duration `json:"total"`           // all phases
	Disk       int64              `json:"disk"`            // bytes at the target, for dumps, copies and images
	ImageBytes int64              `json:"image_bytes"`     // to be moved at most
	Basis      string             `json:"basis,omitempty"` // of the downtime: measured, or which parts of it are guesses
}

// Plan is one promotion before it happens. What is printed, approved, stored and run is this value.
type Plan struct {
	Schema      string      `json:"schema"`
	From        string      `json:"from"`
	To          string      `json:"to"`
	FromProject string      `json:"from_project"`
	Project     string      `json:"project"`
	Mode        string      `json:"mode"` // deploy, or redeploy of what already runs
	Release     Release     `json:"release"`
	Changes     []Change    `json:"changes"`
	Steps       []step.Item `json:"steps"`
	Class       Class       `json:"rollback_class"`
	ClassReason string      `json:"rollback_reason"`
	Estimate    Estimate    `json:"estimate"`
	Warnings    []string    `json:"warnings,omitempty"`
	Policy      Policy      `json:"policy"`
	Fingerprint string      `json:"fingerprint"`
	MadeAt      time.Time   `json:"made_at"`
	Tool        string      `json:"tool"`
}

// Policy is what the plan has to know of the configuration.
type Policy struct {
	Settle        promotion.Duration `json:"settle"`
	Deadline      promotion.Duration `json:"deadline"`       // of everything from shutdown to the end of verify, and of a rollback
	PhaseDeadline promotion.Duration `json:"phase_deadline"` // how long a promotion may rest between two mutating phases
	KeepCopies    int                `json:"keep_copies"`    // restore points whose database copies are kept
}

// Seal computes the fingerprint over everything that has to be the same when the plan runs: the release, the state of both
// sides that the caller gives as a digest, and the steps. The time it was made at and the estimates are not part of it.
func (p *Plan) Seal(sides string) error {
	type stable struct {
		From, To, Project, Sides string
		Release                  Release
		Changes                  []Change
		Steps                    []string
		Policy                   Policy
	}
	s := stable{From: p.From, To: p.To, Project: p.Project, Sides: sides, Release: p.Release, Changes: p.Changes, Policy: p.Policy}
	for _, item := range p.Steps {
		s.Steps = append(s.Steps, item.Name)
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	p.Fingerprint = hex.EncodeToString(sum[:])
	return nil
}

// Of returns the steps of the given phase.
func (p Plan) Of(phase promotion.Phase) []step.Item {
	var items []step.Item
	for _, item := range p.Steps {
		if item.Phase == phase {
			items = append(items, item)
		}
	}
	return items
}

// Services returns the services with one of the actions, in the plan's order.
func (p Plan) Services(actions ...Action) []string {
	var names []string
	for _, c := range p.Changes {
		for _, a := range actions {
			if c.Action == a {
				names = append(names, c.Service)
			}
		}
	}
	return names
}
