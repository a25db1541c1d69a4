package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/org/promote-action/internal/backup"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// GivenPath is the folder of the agent's container where the driver puts a backup to be restored, as folder step.GivenDir.
func GivenPath(id string) string { return path.Join(StateDir, "promotions", id, "restore") }

// given proves that the backup that was sent can be restored here, before anything is touched.
func (s *Server) given(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[RunRequest](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(req.ID)
	if err != nil {
		return nil, err
	}
	b, err := backup.Open(filepath.Join(r.folder.Restore(), step.GivenDir))
	if err != nil {
		return nil, err
	}
	if err := b.Verify(ctx); err != nil {
		return nil, err
	}
	p := point{dir: r.folder.Restore()}
	var errs []error
	for _, item := range r.plan.Steps {
		if l, ok := item.Step.(*step.LoadDatabase); ok {
			errs = append(errs, s.loadable(ctx, r, p, l))
		}
	}
	return nil, errors.Join(errs...)
}

// loadable proves that one dump can be restored: its server is not newer, its roles are there, databases can be swapped.
func (s *Server) loadable(ctx context.Context, r *running, p point, l *step.LoadDatabase) error {
	db, err := s.environment(r.spec).database(ctx, l.Server, p)
	if err != nil {
		return err
	}
	info, err := p.dumpInfo(l.File)
	if err != nil {
		return err
	}
	if info.Major > db.pg.Major() {
		return &Error{
			Message: fmt.Sprintf("the dump of %s is of PostgreSQL %d, the server is %d", l.Database, info.Major, db.pg.Major()),
			Hint:    "restore it into a server that is as new", Outcome: promotion.Refused,
		}
	}
	missing, err := db.pg.MissingRoles(ctx, info)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return &Error{
			Message: fmt.Sprintf("the dump of %s needs roles that the server lacks: %s", l.Database, strings.Join(missing, ", ")),
			Hint:    "create them first: CREATE ROLE " + strings.Join(missing, "; CREATE ROLE "), Outcome: promotion.Refused,
		}
	}
	if err := db.pg.Probe(ctx, l.Database); err != nil {
		return fmt.Errorf("a database cannot be restored beside %s: %w", l.Database, err)
	}
	return nil
}

// dumpInfo reads what was written down about a dump: beside the restore point's own, or within a backup.
func (p point) dumpInfo(file string) (postgres.DumpInfo, error) {
	var info postgres.DumpInfo
	data, err := p.Read(infoFile(file))
	if errors.Is(err, fs.ErrNotExist) {
		data, err = p.Read(strings.TrimSuffix(file, ".dump.zst") + ".info.json")
	}
	if err != nil {
		return info, err
	}
	return info, json.Unmarshal(data, &info)
}

// forget removes a backup that was asked for by itself from the state volume, once it is elsewhere or has failed.
func (s *Server) forget(_ context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[RunRequest](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(req.ID)
	if err != nil {
		return nil, err
	}
	if r.plan.Mode != plan.ModeBackup {
		return nil, &Error{Message: fmt.Sprintf("promotion %s is not a backup: it is not forgotten", r.id)}
	}
	if _, idle := r.idle(); !idle {
		return nil, ErrBusy
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == r {
		r.close()
		s.current = nil
	}
	if err := s.store.Remove(r.id); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return nil, nil
}
