package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// loss says what a rollback of a finished promotion would lose.
func (s *Server) loss(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[RollbackRequest](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(req.ID)
	if err != nil {
		return nil, err
	}
	return s.losses(ctx, r)
}

// losses compares each live database with the copy that was taken at shutdown.
func (s *Server) losses(ctx context.Context, r *running) ([]Loss, error) {
	out := []Loss{}
	p := point{dir: r.folder.Restore()}
	for _, item := range r.plan.Steps {
		if l, ok := item.Step.(*step.LoadDatabase); ok {
			out = append(out, Loss{Database: l.Database, Table: "*", Note: "was restored from " + l.Backup + ": its rows, and what was written since, give way to the database that it replaced"})
		}
		c, ok := item.Step.(*step.CopyDatabase)
		if !ok {
			continue
		}
		db, err := s.environment(r.spec).database(ctx, c.Server, p)
		if err != nil {
			return nil, err
		}
		if c.Way != step.Clone {
			out = append(out, Loss{Database: c.Database, Table: "*", Note: "the restore point is a dump: its rows cannot be compared beforehand"})
			continue
		}
		list, err := db.pg.Difference(ctx, c.Database, c.As)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			if d.Added+d.Changed+d.Removed == 0 && d.Missing == "" && d.Note == "" {
				continue
			}
			note := d.Note
			if d.Missing != "" {
				note = "not compared: " + d.Missing
			}
			out = append(out, Loss{Database: c.Database, Table: d.Table, Added: d.Added, Changed: d.Changed, Removed: d.Removed, Note: note})
		}
	}
	return out, nil
}

// rollback brings the target back to the restore point of a promotion that is over, or rests between two phases.
func (s *Server) rollback(ctx context.Context, in *json.Decoder, a *answer) (any, error) {
	req, err := decode[RollbackRequest](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(req.ID)
	if err != nil {
		return nil, err
	}
	if req.Spec != nil && req.Spec.Project == r.spec.Project {
		spec := *req.Spec
		spec.Environment = r.spec.Environment
		r.spec = spec
		model, _ := os.ReadFile(filepath.Join(r.folder.Restore(), modelFile))
		r.runner.Target = s.target(r, model)
	}
	if err := s.mayRollBack(ctx, r, &req); err != nil {
		return nil, err
	}
	if err := s.engine.SetRestartPolicy(ctx, s.self, "unless-stopped"); err != nil {
		return nil, err
	}
	after := max(req.After, r.bus.last())
	asked := r.over()
	err = r.start(func(ctx context.Context) (promotion.Outcome, error) {
		outcome, err := r.runner.Back(ctx, "asked for by "+req.By, promote.RollbackOptions{KeepData: req.KeepData}, asked)
		s.conclude(ctx, r, outcome, err)
		return outcome, err
	})
	if err != nil && !errors.Is(err, ErrBusy) {
		return nil, err
	}
	return s.stream(ctx, r, after, a)
}

// mayRollBack refuses what would lose data, or could not work, without an explicit word. Where the old release is proved to run
// on the data as it is, what would be lost is kept instead.
func (s *Server) mayRollBack(ctx context.Context, r *running, req *RollbackRequest) error {
	if _, err := os.Stat(filepath.Join(r.folder.Restore(), step.RecordFile)); err != nil {
		return &Error{Message: fmt.Sprintf("the restore point of promotion %s is not there any more", r.id), Hint: "promote restore brings back a backup: promote backups lists them", Outcome: promotion.Refused}
	}
	switch outcome := r.journal.State().Outcome; outcome {
	case promotion.Done, "", promotion.RollbackFailed:
	case promotion.RolledBack, promotion.Restored:
		return &Error{Message: fmt.Sprintf("promotion %s was rolled back already", r.id), Hint: "promote history shows which promotion the target runs", Outcome: promotion.Refused}
	case promotion.Accepted:
		return &Error{Message: fmt.Sprintf("promotion %s was closed by a person who had put the target right: its restore point no longer fits", r.id), Hint: "promote restore brings back a backup: promote backups lists them", Outcome: promotion.Refused}
	default:
		return &Error{Message: fmt.Sprintf("promotion %s touched nothing (%s): there is nothing to roll back", r.id, outcome), Outcome: promotion.Refused}
	}
	if newer, err := s.newer(r.id); err != nil {
		return err
	} else if newer != "" {
		return &Error{Message: fmt.Sprintf("promotion %s came after %s: the target is not what %s left", newer, r.id, r.id), Hint: "roll back " + newer + " first", Outcome: promotion.Refused}
	}
	if r.journal.State().Outcome != promotion.Done {
		return nil // the new release has not been let loose
	}
	if req.KeepData {
		if classOf(r.folder, r.plan) != string(plan.AppOnly) && !req.Force {
			return &Error{
				Message: "the release changed the schema, and the old release is not known to work with it",
				Hint:    "leave --keep-data out to go back to the moment of shutdown, or add --force to insist", Outcome: promotion.Refused,
			}
		}
		return nil
	}
	if req.DiscardWrites {
		return nil
	}
	losses, err := s.losses(ctx, r)
	if err != nil {
		return fmt.Errorf("what would be lost: %w", err)
	}
	if len(losses) > 0 && classOf(r.folder, r.plan) == string(plan.AppOnly) {
		req.KeepData = true
		r.bus.emit(promotion.Event{Type: promotion.Note, Level: "info", Message: "rollback class app-only: what was written since the promotion stays, only the application goes back"})
		return nil
	}
	if len(losses) > 0 {
		return &Error{
			Message: fmt.Sprintf("a rollback to the moment of shutdown would lose what was written since, in %d of its tables", len(losses)), Losses: losses,
			Hint: "add --discard-writes to lose it, or --keep-data to bring back release and configuration only", Outcome: promotion.Refused,
		}
	}
	return nil
}

// newer is the id of a later promotion that changed the target and still stands.
func (s *Server) newer(id string) (string, error) {
	list, err := s.store.List()
	if err != nil {
		return "", err
	}
	for _, e := range list {
		if e.ID == id {
			return "", nil
		}
		if e.Err == nil && e.State.Outcome == promotion.Done {
			return e.ID, nil
		}
	}
	return "", nil
}
