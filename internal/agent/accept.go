package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// AcceptRequest closes a promotion that a person has put right by hand.
type AcceptRequest struct {
	By    string `json:"by"`
	Why   string `json:"why"` // what was done, in the person's words
	Force bool   `json:"force,omitempty"`
	Spec  Spec   `json:"spec"`
}

// Accepted is what accept did.
type Accepted struct {
	Result promotion.Result `json:"result"`
	Closed bool             `json:"closed"` // false: nothing needed a person
}

// accept closes the last promotion that needs a person: one that was not rolled back, or one that cannot be read. It looks at
// the target first, and refuses while what can be seen is not in order; force overrules that. Who said so is in the journal.
func (s *Server) accept(ctx context.Context, in *json.Decoder, a *answer) (any, error) {
	req, err := decode[AcceptRequest](in)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	under := s.current
	s.mu.Unlock()
	if under != nil && !under.over() && under.runner.Begun() {
		return nil, &Error{Message: fmt.Sprintf("promotion %s is under way (%s)", under.id, under.journal.State().Phase), Hint: "wait for its end: promote recover", Outcome: promotion.Locked}
	}
	id, unreadable, err := s.stuck()
	if err != nil || id == "" {
		return Accepted{}, err
	}
	checks, err := s.recheck(ctx, id, req.Spec, a)
	if err != nil {
		checks = append(checks, promotion.Check{Category: "target", Name: "checks", Environment: req.Spec.Environment, Status: promotion.Error, Critical: true, Message: err.Error()})
	}
	blocking := promotion.Blocking(checks)
	if len(blocking) > 0 && !req.Force {
		return nil, &Error{
			Message: fmt.Sprintf("promotion %s stays open, since the target is not in order: %s", id, sayChecks(blocking)),
			Hint:    "put it right first, or add --force to close it all the same", Outcome: promotion.Refused,
		}
	}
	why := fmt.Sprintf("accepted by %s: %s", req.By, req.Why)
	if len(blocking) > 0 {
		why += fmt.Sprintf(" (although %s)", sayChecks(blocking))
	}
	s.mu.Lock()
	if s.current != nil {
		s.current.close()
		s.current = nil
	}
	s.mu.Unlock()
	res, err := s.close(id, unreadable, req.By, why, checks)
	if err == nil {
		err = s.engine.SetRestartPolicy(ctx, s.self, "no")
	}
	return Accepted{Result: res, Closed: err == nil}, err
}

// stuck is the last promotion that needs a person, and why it cannot be read where it can't. While there is one that cannot be
// read every run is refused; of the others the last word on the target counts.
func (s *Server) stuck() (id string, unreadable error, err error) {
	list, err := s.store.List()
	if err != nil {
		return "", nil, err
	}
	for _, e := range list {
		if errors.Is(e.Err, journal.ErrNewer) {
			return "", nil, s.stateProblem(fmt.Errorf("promotion %s: %w", e.ID, e.Err))
		}
		if e.Err != nil {
			return e.ID, e.Err, nil
		}
	}
	for _, e := range list {
		if e.State.Unfinished() {
			r, err := s.load(e.ID)
			if err != nil {
				return e.ID, err, nil
			}
			begun := r.runner.Begun()
			r.close()
			if begun || e.State.RollingBack {
				return e.ID, nil, nil // its agent could not take it up
			}
		}
		if person, final := finality(e); final {
			if person {
				return e.ID, nil, nil
			}
			break
		}
	}
	return "", nil, nil
}

// finality reports whether a promotion's outcome is a word on what the target is, and whether that needs a person.
func finality(e journal.Entry) (person, final bool) {
	switch e.State.Outcome {
	case promotion.RollbackFailed:
		return true, true
	case promotion.Done, promotion.RolledBack, promotion.Restored, promotion.Accepted:
		return false, true
	}
	return false, false
}

// recheck looks at the target: the environment's checks, and whether the databases let anybody in.
func (s *Server) recheck(ctx context.Context, id string, spec Spec, a *answer) ([]promotion.Check, error) {
	env := s.environment(spec)
	checks, err := s.databasesOpen(ctx, env, id)
	if err != nil {
		return checks, err
	}
	subject, err := env.subject(ctx)
	if err != nil {
		return checks, err
	}
	subject.Custom = slices.DeleteFunc(slices.Clone(subject.Custom), func(c check.Custom) bool { return c.Command != nil }) // they run where promote was called
	more, err := check.Run(ctx, check.Tests(subject), check.Options{OnResult: func(c promotion.Check) {
		_ = a.event(promotion.Event{Type: promotion.CheckEnded, Time: time.Now(), Check: &c, Status: c.Status})
	}})
	return append(checks, more...), err
}

// databasesOpen checks that the databases which the promotion worked on are there and open.
func (s *Server) databasesOpen(ctx context.Context, env *environment, id string) ([]promotion.Check, error) {
	folder, err := s.store.Folder(id)
	if err != nil {
		return nil, err
	}
	p, err := readPlan(folder)
	if err != nil {
		return nil, nil //nolint:nilerr // nobody knows which they are
	}
	var checks []promotion.Check
	for _, item := range p.Steps {
		c, ok := item.Step.(*step.CloseDatabase)
		if !ok {
			continue
		}
		found := promotion.Check{Category: "database", Name: "open", Environment: env.spec.Environment, Service: c.Server, Status: promotion.Pass, Message: "database " + c.Database + " is open"}
		if err := env.open(ctx, c.Server, c.Database); err != nil {
			found.Status, found.Critical, found.Message = promotion.Fail, true, err.Error()
		}
		checks = append(checks, found)
	}
	return checks, nil
}

// open reports why a database is not open.
func (e *environment) open(ctx context.Context, server, name string) error {
	db, err := e.database(ctx, server, point{})
	if err != nil {
		return err
	}
	all, err := db.pg.Databases(ctx)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.Name == name && d.AllowConnections {
			return nil
		}
		if d.Name == name {
			return fmt.Errorf("database %s is closed: ALTER DATABASE %q WITH ALLOW_CONNECTIONS true", name, name)
		}
	}
	return fmt.Errorf("database %s is not there", name)
}

func sayChecks(checks []promotion.Check) string {
	var words []string
	for _, c := range checks {
		text := c.Message
		if c.Service != "" {
			text = c.Service + ": " + text
		}
		words = append(words, text)
	}
	if n := len(words); n > 3 {
		words = append(words[:3], fmt.Sprintf("and %d more", n-3))
	}
	return strings.Join(words, "; ")
}

// close writes the outcome down. A journal that cannot be read is kept beside a new one.
func (s *Server) close(id string, unreadable error, by, why string, checks []promotion.Check) (promotion.Result, error) {
	folder, err := s.store.Folder(id)
	if err != nil {
		return promotion.Result{}, err
	}
	if unreadable != nil && errors.Is(unreadable, journal.ErrDamaged) {
		if err := folder.SetAside(); err != nil {
			return promotion.Result{}, err
		}
	}
	j, replay, err := journal.Open(folder.Journal())
	if err != nil {
		return promotion.Result{}, err
	}
	defer j.Close()
	var records []journal.Record
	if !replay.State().Begun {
		begun, _ := json.Marshal(promote.Begun{By: by})
		level, _ := json.Marshal("warning")
		records = append(records, journal.Record{Type: journal.Begin, Data: begun},
			journal.Record{Type: journal.Note, Message: fmt.Sprintf("what was done cannot be read: %v", unreadable), Data: level})
	}
	for _, c := range checks {
		records = append(records, promote.CheckRecord(promotion.Rollback, c))
	}
	records = append(records, journal.Record{Type: journal.Outcome, Outcome: promotion.Accepted, Message: why})
	for _, r := range records {
		if _, err := j.Append(r); err != nil {
			return promotion.Result{}, err
		}
	}
	p, err := readPlan(folder)
	if err != nil {
		p = plan.Plan{To: s.options.Project}
	}
	res := promote.Account(id, p, j.Records(), promotion.Proof{})
	if data, err := json.MarshalIndent(res, "", "  "); err == nil {
		err = folder.WriteResult(data)
		if err != nil {
			return res, err
		}
	}
	if _, held, err := s.store.Held(p.Release.ID); p.Release.ID != "" && !held && err == nil {
		if err := s.store.Hold(p.Release.ID, journal.Hold{Promotion: id, Since: time.Now().UTC(), Reason: oneLine(why)}); err != nil {
			return res, err
		}
	}
	return res, nil
}
