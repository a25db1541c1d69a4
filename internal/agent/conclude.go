package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// conclude does what follows an outcome: the hold on a failed release, the proved rollback class, and the end of restore
// points that are no longer needed. None of it changes the outcome.
func (s *Server) conclude(ctx context.Context, r *running, outcome promotion.Outcome, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	var errs []error
	switch outcome {
	case promotion.Done:
		errs = append(errs, s.store.Release(r.plan.Release.ID), s.proveClass(ctx, r), s.retire(ctx, r))
	case promotion.RolledBack, promotion.RollbackFailed, promotion.Restored:
		reason := "rolled back on request"
		if f := r.account().Failure; f != nil {
			reason = f.Message
		} else if cause != nil {
			reason = oneLine(cause.Error())
		}
		if r.plan.Release.ID != "" && !r.journal.State().Canceled { // a cancelled release has shown no fault
			errs = append(errs, s.store.Hold(r.plan.Release.ID, journal.Hold{Promotion: r.id, Since: time.Now().UTC(), Reason: reason}))
		}
		if outcome != promotion.RollbackFailed {
			errs = append(errs, s.dropMoved(ctx, r))
		}
	case promotion.Refused, promotion.Canceled:
		errs = append(errs, s.discard(ctx, r), s.dropMoved(ctx, r))
	default:
		return
	}
	errs = append(errs, s.engine.SetRestartPolicy(ctx, s.self, "no"))
	if err := errors.Join(errs...); err != nil {
		r.bus.emit(promotion.Event{Type: promotion.Note, Level: "warning", Message: "after the end: " + err.Error()})
	}
	if data, err := json.MarshalIndent(r.account(), "", "  "); err == nil {
		_ = r.folder.WriteResult(data)
	}
}

// discard removes what a promotion that touched nothing has left: its restore point and the tags on its images.
func (s *Server) discard(ctx context.Context, r *running) error {
	errs := []error{os.RemoveAll(r.folder.Restore())}
	for _, item := range r.plan.Steps {
		if h, ok := item.Step.(*step.HoldImages); ok {
			errs = append(errs, h.Release(ctx, images{s.engine}))
		}
	}
	return errors.Join(errs...)
}

// dropMoved removes the images that were brought to this engine for a release that does not run here. One that has a name by
// now, or serves a container, stays.
func (s *Server) dropMoved(ctx context.Context, r *running) error {
	var errs []error
	for _, item := range r.plan.Steps {
		m, ok := item.Step.(*step.MoveImages)
		if !ok {
			continue
		}
		for _, moved := range m.Images {
			image, err := s.engine.Image(ctx, moved.ID)
			if errors.Is(err, compose.ErrNotFound) || (err == nil && len(image.Tags) > 0) {
				continue
			}
			if err == nil {
				err = s.engine.RemoveUnusedImage(ctx, moved.ID)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// proveClass finds out what a rollback can keep: what the rehearsal proved, where there was one and the databases are as it
// left them; else all where the release did not change the schema, since the old images are then known to work with the
// data as it is.
func (s *Server) proveClass(ctx context.Context, r *running) error {
	rehearsed, err := keptRehearsal(r.folder)
	if err != nil {
		return err
	}
	class, definitions := plan.AppOnly, map[string]string{}
	p := point{dir: r.folder.Restore()}
	for _, item := range r.plan.Steps {
		f, ok := item.Step.(*step.FingerprintDatabase)
		if !ok {
			continue
		}
		data, err := p.Read(step.FingerprintFile(f.Server, f.Database))
		if err != nil {
			return err
		}
		var before step.Fingerprint
		if err := json.Unmarshal(data, &before); err != nil {
			return err
		}
		db, err := s.environment(r.spec).database(ctx, f.Server, p)
		if err != nil {
			return err
		}
		now, err := db.pg.SchemaFingerprint(ctx, f.Database)
		if err != nil {
			return err
		}
		definitions[f.Server+"/"+f.Database] = postgres.Definition(now.Objects)
		if now.Hash != before.Schema {
			class = plan.Restore
		}
	}
	if rehearsed != nil {
		class = rehearsed.proved(definitions)
	}
	return p.Write(classFile, []byte(class))
}

// retire gives up the instant copies of older promotions, so that a target holds the copies of the last ones only, and
// what was kept of failed ones.
func (s *Server) retire(ctx context.Context, r *running) error {
	keep := max(1, r.plan.Policy.KeepCopies)
	list, err := s.store.List()
	if err != nil {
		return err
	}
	var errs []error
	done := 0
	for _, e := range list {
		if e.Err != nil || e.Unfinished() {
			continue
		}
		if e.State.Outcome == promotion.Done {
			done++
		}
		if e.ID == r.id || (e.State.Outcome == promotion.Done && done <= keep) {
			continue
		}
		errs = append(errs, s.retireOne(ctx, r, e.ID))
	}
	return errors.Join(errs...)
}

func (s *Server) retireOne(ctx context.Context, r *running, id string) error {
	folder, err := s.store.Folder(id)
	if err != nil {
		return err
	}
	record := filepath.Join(folder.Restore(), step.RecordFile)
	if _, err := os.Stat(record); err != nil {
		return nil //nolint:nilerr // retired before
	}
	p, err := readPlan(folder)
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, item := range r.plan.Steps {
		if h, ok := item.Step.(*step.HoldImages); ok {
			for tag := range h.Tags {
				needed[tag] = true
			}
		}
	}
	var errs []error
	for _, item := range p.Steps {
		switch st := item.Step.(type) {
		case *step.CopyDatabase:
			db, err := s.environment(r.spec).database(ctx, st.Server, point{dir: folder.Restore()})
			if err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, st.Retire(ctx, db))
		case *step.LoadDatabase:
			db, err := s.environment(r.spec).database(ctx, st.Server, point{dir: folder.Restore()})
			if err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, st.Retire(ctx, db))
		case *step.HoldImages:
			for tag := range st.Tags {
				if !needed[tag] {
					errs = append(errs, s.engine.RemoveImage(ctx, tag))
				}
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("restore point %s: %w", id, err)
	}
	return os.RemoveAll(folder.Restore())
}

// account adds to a promotion's account what only the agent knows.
func (s *Server) account(r *running) promotion.Result {
	res := r.account()
	res.Class = classOf(r.folder, r.plan)
	if res.Outcome == promotion.RolledBack || res.Outcome == promotion.Restored {
		for _, item := range r.plan.Steps {
			if c, ok := item.Step.(*step.CopyDatabase); ok && c.Way == step.Clone && r.journal.State().Step(item.Name) == journal.StepUndone {
				if began(r, "open-database") {
					res.Kept = append(res.Kept, fmt.Sprintf("the failed database as %s, until the next promotion succeeds", c.Aside))
				}
			}
		}
	}
	if res.Outcome == promotion.Done {
		for _, item := range r.plan.Steps {
			if l, ok := item.Step.(*step.LoadDatabase); ok {
				res.Kept = append(res.Kept, fmt.Sprintf("the database that was replaced as %s, for promote rollback %s", l.Aside, r.id))
			}
			if c, ok := item.Step.(*step.CopyDatabase); ok && c.Way == step.Clone {
				res.Kept = append(res.Kept, fmt.Sprintf("the database as it was at shutdown as %s, for promote rollback %s", c.As, r.id))
			}
		}
	}
	return res
}

func began(r *running, kind string) bool {
	for name := range r.journal.State().Steps {
		if name == kind || (len(name) > len(kind) && name[:len(kind)+1] == kind+" ") {
			return true
		}
	}
	return false
}
