package agent

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// History is what a target knows of its promotions.
type History struct {
	Entries []Entry                 `json:"entries"` // newest first
	Holds   map[string]journal.Hold `json:"holds,omitempty"`
	Error   string                  `json:"error,omitempty"` // why it could not be read
}

func (s *Server) history(context.Context, *json.Decoder, *answer) (any, error) {
	if s.store == nil {
		return History{}, nil
	}
	list, err := s.store.List()
	if err != nil {
		return nil, err
	}
	var h History
	for _, e := range list {
		entry, err := s.entry(e)
		if err != nil {
			entry = Entry{ID: e.ID, Error: err.Error()}
		}
		h.Entries = append(h.Entries, entry)
	}
	if h.Holds, err = s.store.Holds(); err != nil {
		return nil, err
	}
	return h, nil
}

func (s *Server) entry(e journal.Entry) (Entry, error) {
	if e.Err != nil {
		return Entry{}, e.Err
	}
	folder, err := s.store.Folder(e.ID)
	if err != nil {
		return Entry{}, err
	}
	p, err := readPlan(folder)
	if err != nil {
		return Entry{}, err
	}
	replay, err := journal.Read(folder.Journal())
	if err != nil {
		return Entry{}, err
	}
	res := promote.Account(e.ID, p, replay.Records, promotion.Proof{})
	_, missing := os.Stat(filepath.Join(folder.Restore(), step.RecordFile))
	return Entry{
		ID: e.ID, From: p.From, To: p.To, Release: p.Release.ID, Commit: p.Release.Commit, Command: p.Mode, Outcome: res.Outcome, Reason: res.Reason, By: res.By,
		Phase: e.State.Phase, Started: res.Started, Took: promotion.Milliseconds(res.Ended.Sub(res.Started)), Class: classOf(folder, p),
		Restorable: missing == nil && res.Outcome == promotion.Done,
	}, nil
}

// told is the account of a promotion as a reader finds it.
func (s *Server) told(id string) (promotion.Result, error) {
	if s.store == nil {
		return promotion.Result{}, &Error{Message: "the target has no state volume: nothing was ever promoted there"}
	}
	folder, err := s.store.Folder(id)
	if err != nil {
		return promotion.Result{}, err
	}
	p, err := readPlan(folder)
	if err != nil {
		return promotion.Result{}, err
	}
	replay, err := journal.Read(folder.Journal())
	if err != nil {
		return promotion.Result{}, err
	}
	var proof promotion.Proof
	if data, err := os.ReadFile(filepath.Join(folder.Restore(), promote.ProofFile)); err == nil {
		_ = json.Unmarshal(data, &proof)
	}
	res := promote.Account(id, p, replay.Records, proof)
	res.Class = classOf(folder, p)
	return res, nil
}

func readPlan(folder journal.Folder) (plan.Plan, error) {
	var p plan.Plan
	data, err := os.ReadFile(folder.Plan())
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(data, &p)
}

// classFile is where a promotion keeps the rollback class that was proved after the deploy.
const classFile = "class"

func classOf(folder journal.Folder, p plan.Plan) string {
	if data, err := os.ReadFile(filepath.Join(folder.Restore(), classFile)); err == nil {
		return string(data)
	}
	return string(p.Class)
}
