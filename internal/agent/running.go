package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
)

// running is the promotion that an agent has open.
type running struct {
	id      string
	folder  journal.Folder
	journal *journal.Journal
	bus     *bus
	plan    plan.Plan
	spec    Spec
	asker   *asker
	by      string
	since   time.Time

	mu      sync.Mutex
	runner  *promote.Runner
	busy    chan struct{} // closed when what runs now has ended; nil when nothing runs
	cancel  context.CancelCauseFunc
	passed  stopwatch
	rested  time.Duration // when the last phase ended, by the stopwatch
	outcome promotion.Outcome
	err     error
}

const (
	specFile  = "spec.json"
	modelFile = "model.yaml"
)

// create stores all that a promotion needs and opens it.
func (s *Server) create(b Begin) (*running, error) {
	folder, err := s.store.Create(b.ID)
	if err != nil {
		return nil, err
	}
	planData, err := json.MarshalIndent(b.Plan, "", "  ")
	if err != nil {
		return nil, err
	}
	specData, err := json.Marshal(b.Spec)
	if err != nil {
		return nil, err
	}
	if err := folder.WritePlan(planData); err != nil {
		return nil, err
	}
	p := point{dir: folder.Restore()}
	for name, data := range map[string][]byte{specFile: specData, modelFile: b.Model} {
		if err := p.Write(name, data); err != nil {
			return nil, err
		}
	}
	for path, data := range b.Files {
		if err := p.Write(filepath.Join("configuration", filepath.Clean("/"+path)), data); err != nil {
			return nil, err
		}
	}
	r, err := s.load(b.ID)
	if err != nil {
		return nil, err
	}
	begun, _ := json.Marshal(promote.Begun{By: b.By})
	if _, err := r.journal.Append(journal.Record{Type: journal.Begin, Data: begun}); err != nil {
		return nil, err
	}
	r.by, r.since = b.By, time.Now().UTC()
	return r, nil
}

// load opens a promotion that the state volume holds.
func (s *Server) load(id string) (*running, error) {
	folder, err := s.store.Folder(id)
	if err != nil {
		return nil, err
	}
	r := &running{id: id, folder: folder, passed: s.passed, rested: s.passed()}
	data, err := os.ReadFile(folder.Plan())
	if err != nil {
		return nil, fmt.Errorf("promotion %s: %w", id, err)
	}
	if err := json.Unmarshal(data, &r.plan); err != nil {
		return nil, fmt.Errorf("promotion %s: its plan: %w", id, err)
	}
	p := point{dir: folder.Restore()}
	if data, err = p.Read(specFile); err != nil {
		return nil, fmt.Errorf("promotion %s: %w", id, err)
	}
	if err := json.Unmarshal(data, &r.spec); err != nil {
		return nil, fmt.Errorf("promotion %s: %w", id, err)
	}
	if r.journal, _, err = journal.Open(folder.Journal()); err != nil {
		return nil, err
	}
	if r.bus, err = openBus(folder.Events()); err != nil {
		return nil, err
	}
	r.asker = &asker{bus: r.bus, waiting: s.quiet.calls.Load}
	records := r.journal.Records()
	for _, rec := range records {
		var begun promote.Begun
		if rec.Type == journal.Begin && json.Unmarshal(rec.Data, &begun) == nil {
			r.by, r.since = begun.By, rec.Time
		}
	}
	r.outcome = r.journal.State().Outcome
	model, err := p.Read(modelFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	r.runner = &promote.Runner{ID: id, Plan: r.plan, Journal: r.journal, Emit: r.bus.emit}
	r.runner.Target = s.target(r, model)
	return r, nil
}

func (r *running) close() {
	r.bus.close()
	_ = r.journal.Close()
}

// asked are the phases that were last asked for, which is where a restarted agent goes on.
func (r *running) asked() []promotion.Phase {
	var phases []promotion.Phase
	for _, rec := range r.journal.Records() {
		if rec.Type == journal.Note && rec.Message == askedNote {
			var p []promotion.Phase
			if json.Unmarshal(rec.Data, &p) == nil {
				phases = p
			}
		}
	}
	return phases
}

const askedNote = "asked"

// ErrBusy means that the promotion does something else at the moment.
var ErrBusy = errors.New("the promotion is busy")

// start runs do in the background, with a context that cancel ends. Events tell how it goes, the last is Ended.
func (r *running) start(do func(ctx context.Context) (promotion.Outcome, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy != nil {
		return ErrBusy
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	r.cancel, r.busy = cancel, make(chan struct{})
	done := r.busy
	go func() {
		outcome, err := do(ctx)
		cancel(nil)
		r.mu.Lock()
		r.outcome, r.err, r.busy, r.cancel, r.rested = outcome, err, nil, nil, r.passed()
		r.mu.Unlock()
		message := ""
		if err != nil {
			message = err.Error()
		}
		r.bus.emit(promotion.Event{Type: promotion.Ended, Outcome: outcome, Message: message})
		close(done)
	}()
	return nil
}

// stop asks what runs to end, and reports whether anything did.
func (r *running) stop(cause error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel == nil {
		return false
	}
	r.cancel(cause)
	return true
}

// idle reports whether nothing runs, and for how long.
func (r *running) idle() (rest time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.passed() - r.rested, r.busy == nil
}

// over reports whether the promotion has its outcome.
func (r *running) over() bool {
	return r.journal.State().Outcome != ""
}

// note keeps a line for people of a rollback, also in the account.
func (r *running) note(level, message string) {
	data, _ := json.Marshal(level)
	_, _ = r.journal.Append(journal.Record{Type: journal.Note, Phase: promotion.Rollback, Message: message, Data: data, Undo: true})
	r.bus.emit(promotion.Event{Type: promotion.Note, Phase: promotion.Rollback, Level: level, Message: message})
}

// account is the promotion as told by its journal.
func (r *running) account() promotion.Result {
	res := promote.Account(r.id, r.plan, r.journal.Records(), r.runner.Proof())
	if res.Outcome == promotion.RollbackFailed {
		res.Left = append(r.runner.Left(), "when this was done by hand: promote recover --to "+r.plan.To+" --accept 'what was done' closes the promotion")
	}
	return res
}
