package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/step"
)

// rehearsalFile is where a restore point holds what the rehearsal came to.
const rehearsalFile = "rehearsal.json"

// kept is a rehearsal as a restore point holds it.
type kept struct {
	compare.Rehearsal
	Definitions map[string]string `json:"definitions"` // of the migrated databases, by server and name
}

// rehearsing makes a promotion's agent a step.Rehearser.
type rehearsing struct {
	server *Server
	r      *running
	point  point
	model  []byte
}

// Rehearse implements step.Rehearser.
func (h *rehearsing) Rehearse(ctx context.Context, onEvent func(string)) (step.Rehearsal, error) {
	rehearser := h.server.rehearser(RehearseRequest{Spec: h.r.spec, Plan: h.r.plan, Model: h.model}, onEvent)
	out := rehearser.run(ctx)
	if len(out.Left) > 0 {
		onEvent("left behind: " + strings.Join(out.Left, "; "))
	}
	if out.Error != "" {
		return step.Rehearsal{}, &Error{Message: "the release could not be rehearsed: " + out.Error, Hint: "policy.rehearse: off promotes without a rehearsal"}
	}
	for _, job := range out.Migration {
		if job.Failure != "" {
			return step.Rehearsal{}, &step.ServiceError{Service: job.Service, Reason: "on a copy of the databases: " + job.Failure, Log: strings.Split(job.Log, "\n")}
		}
	}
	data, err := json.Marshal(kept{Rehearsal: out, Definitions: rehearser.definitions()})
	if err != nil {
		return step.Rehearsal{}, err
	}
	return step.Rehearsal{Class: out.Class, Why: out.ClassWhy}, h.point.Write(rehearsalFile, data)
}

// definitions are those of the migrated copies.
func (r *rehearser) definitions() map[string]string {
	out := map[string]string{}
	for i, db := range r.evidence.Databases {
		out[r.out.Databases[i].Server+"/"+db.Name] = postgres.Definition(db.After)
	}
	return out
}

// keptRehearsal reads what the rehearsal of a promotion came to; nil where there was none.
func keptRehearsal(folder journal.Folder) (*kept, error) {
	data, err := os.ReadFile(filepath.Join(folder.Restore(), rehearsalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("%s: %w", rehearsalFile, err)
	}
	return &k, nil
}

// proved is the class that the rehearsal proved, once the databases are what it left: elsewhere its proof does not hold.
func (k *kept) proved(now map[string]string) plan.Class {
	if k.Class != string(plan.AppOnly) {
		return plan.Restore
	}
	for name, definition := range now {
		if k.Definitions[name] != definition {
			return plan.Restore
		}
	}
	return plan.AppOnly
}
