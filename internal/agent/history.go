package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
	if problem := s.trouble(); problem != nil {
		return nil, problem
	}
	if s.store == nil {
		return History{}, nil
	}
	return s.entries()
}

func (s *Server) entries() (History, error) {
	list, err := s.store.List()
	if err != nil {
		return History{}, err
	}
	var h History
	for _, e := range list {
		h.Entries = append(h.Entries, s.entry(e))
	}
	if h.Holds, err = s.store.Holds(); err != nil {
		return History{}, err
	}
	return h, nil
}

// entry tells of a promotion what can be read of it. What cannot be read is the entry's Error: its outcome is then unknown, or
// what the account says that was written when it was over.
func (s *Server) entry(e journal.Entry) Entry {
	out := Entry{ID: e.ID, To: s.options.Project, Outcome: promotion.Unknown, Started: promotion.Named(e.ID), Phase: e.State.Phase}
	folder, err := s.store.Folder(e.ID)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	p, planErr := readPlan(folder)
	if planErr == nil {
		out.From, out.To, out.Release, out.Commit, out.Command, out.Class = p.From, p.To, p.Release.ID, p.Release.Commit, p.Mode, classOf(folder, p)
	}
	replay, journalErr := journal.Read(folder.Journal())
	res := promote.Account(e.ID, p, replay.Records, promotion.Proof{})
	switch {
	case errors.Is(journalErr, fs.ErrNotExist) && planErr == nil:
		out.Outcome, out.Reason = promotion.Refused, "ended before it began"
		return out
	case journalErr != nil:
		var kept bool
		if res, kept = keptResult(folder); !kept {
			out.Error = errors.Join(journalErr, planErr).Error()
			return out
		}
	}
	if err := errors.Join(journalErr, planErr); err != nil {
		out.Error = oneLine(err.Error())
	}
	out.Outcome, out.Reason, out.By, out.Started, out.Took = res.Outcome, res.Reason, res.By, res.Started, promotion.Milliseconds(max(0, res.Ended.Sub(res.Started)))
	if e.State.Unfinished() || res.Outcome == promotion.RollbackFailed {
		out.Left = leftOf(folder, p, replay.Records)
	}
	_, missing := os.Stat(filepath.Join(folder.Restore(), step.RecordFile))
	out.Restorable = missing == nil && out.Error == "" && res.Outcome == promotion.Done
	return out
}

// keptResult is the account that was written when the promotion was over.
func keptResult(folder journal.Folder) (promotion.Result, bool) {
	var res promotion.Result
	data, err := os.ReadFile(folder.Result())
	if err != nil || json.Unmarshal(data, &res) != nil || res.ID != folder.ID || res.Outcome == "" {
		return promotion.Result{}, false
	}
	return res, true
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
	if err := json.Unmarshal(data, &p); err != nil {
		return plan.Plan{}, fmt.Errorf("plan of promotion %s: %w", folder.ID, err)
	}
	return p, nil
}

// classFile is where a promotion keeps the rollback class that was proved after the deploy.
const classFile = "class"

func classOf(folder journal.Folder, p plan.Plan) string {
	if data, err := os.ReadFile(filepath.Join(folder.Restore(), classFile)); err == nil {
		return string(data)
	}
	if rehearsed, err := keptRehearsal(folder); err == nil && rehearsed != nil {
		return rehearsed.Class
	}
	return string(p.Class)
}
