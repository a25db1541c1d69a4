package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
)

// names are the container names of a model engine: one container has one name.
type names struct {
	mu   sync.Mutex
	held map[string]int // by whom
}

func (n *names) take(name string, who int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, taken := n.held[name]; taken {
		return false
	}
	n.held[name] = who
	return true
}

// free takes the name from who; from anybody when who is 0, as `docker rm -f` does while the process still runs.
func (n *names) free(name string, who int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if who == 0 || n.held[name] == who {
		delete(n.held, name)
	}
}

// race is several operators at one target at once. The lock of the state volume and the journals are the real ones.
type race struct {
	seed, number uint64
	engine       names
	dir          string
	world        *World

	mutator atomic.Int64 // who changes the target at the moment
	next    atomic.Int64
	mutated atomic.Int64 // how many did
	locked  atomic.Int64 // how many were sent away
	mu      sync.Mutex
	wrong   []string
}

func (r *race) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// watched is a journal that knows who writes what changes the target.
type watched struct {
	Journal
	r   *race
	who int
}

func (w watched) Append(rec journal.Record) (journal.Record, error) {
	if rec.Type == journal.Intent && rec.Phase.Mutates() || rec.Type == journal.UndoIntent {
		if !w.r.mutator.CompareAndSwap(0, int64(w.who)) && w.r.mutator.Load() != int64(w.who) {
			w.r.violate("%d changes the target (%s %s) while %d does", w.who, rec.Type, rec.Step, w.r.mutator.Load())
		}
		runtime.Gosched()
	}
	return w.Journal.Append(rec)
}

// call is one operator's call of promote. It reports whether the call got as far as the target.
func (r *race) call(who int, command string, random *rand.Rand, faults []Fault) bool {
	if !r.engine.take("promote-shop", who) {
		r.locked.Add(1)
		return false
	}
	defer r.engine.free("promote-shop", who)
	store, err := journal.OpenStore(r.dir)
	if err != nil {
		r.violate("%v", err)
		return false
	}
	lock, err := store.Lock()
	if errors.Is(err, journal.ErrLocked) {
		r.locked.Add(1)
		return false
	}
	if err != nil {
		r.violate("%v", err)
		return false
	}
	defer lock.Close()
	defer func() {
		if r.mutator.CompareAndSwap(int64(who), 0) {
			r.mutated.Add(1)
		}
	}()
	if random.IntN(4) == 0 {
		r.engine.free("promote-shop", 0) // somebody removes the container by force, and its process still runs
	}
	if err := r.act(store, who, command, faults); err != nil {
		r.violate("%s by %d: %v", command, who, err)
	}
	return true
}

func (r *race) act(store *journal.Store, who int, command string, faults []Fault) error {
	id, do, err := r.choose(store, who, command)
	if err != nil || do == nil {
		return err
	}
	folder, err := store.Folder(id)
	if err != nil {
		return err
	}
	j, _, err := journal.Open(folder.Journal())
	if err != nil {
		return err
	}
	defer j.Close()
	p, err := r.world.Plan()
	if err != nil {
		return err
	}
	runner := &promote.Runner{
		ID: id, Plan: p, Target: r.world.Target(), Journal: watched{Journal{j, r.world}, r, who}, Emit: func(promotion.Event) {}, Retry: 50 * time.Microsecond,
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	r.world.Arm(faults, cancel, promote.ErrCancelled)
	Killed(func() { err = do(ctx, runner) })
	r.world.Arm(nil, cancel, nil)
	return err
}

// choose is what an agent does first: it ends what a predecessor left, whatever it was called for.
func (r *race) choose(store *journal.Store, who int, command string) (string, func(context.Context, *promote.Runner) error, error) {
	list, err := store.List()
	if err != nil {
		return "", nil, err
	}
	for _, e := range list {
		if e.Unfinished() {
			return e.ID, func(ctx context.Context, runner *promote.Runner) error {
				if runner.Begun() || runner.Journal.State().RollingBack {
					_, _ = runner.Resume(ctx, Mutating)
					return nil
				}
				return runner.Abandon(promotion.Canceled, "superseded")
			}, nil
		}
	}
	switch command {
	case "run":
		id := promotion.NewID(epoch.Add(time.Duration(r.next.Add(1))*time.Second), fmt.Sprint(who))
		_, err := store.Create(id)
		return id, r.forward, err
	case "rollback":
		for _, e := range list {
			if e.State.Outcome == promotion.Done {
				return e.ID, func(ctx context.Context, runner *promote.Runner) error {
					_, _ = runner.Back(ctx, "asked for", promote.RollbackOptions{}, true)
					return nil
				}, nil
			}
		}
	}
	return "", nil, nil
}

func (r *race) forward(ctx context.Context, runner *promote.Runner) error {
	begun, _ := json.Marshal(promote.Begun{By: "somebody"})
	if _, err := runner.Journal.Append(journal.Record{Type: journal.Begin, Data: begun}); err != nil {
		return err
	}
	for _, item := range runner.Plan.Of(promotion.Backup) {
		if item.Side == "driver" {
			if err := runner.Record(promotion.Backup, item.Name, nil, 0, nil); err != nil {
				return err
			}
		}
	}
	if outcome, err := runner.Run(ctx, []promotion.Phase{promotion.Backup}); outcome != promotion.Running {
		return err
	}
	_, _ = runner.Run(ctx, Mutating)
	return nil
}

// run lets the operators go at once, and looks at what they leave.
func (r *race) run() {
	var gate, all sync.WaitGroup
	gate.Add(1)
	random := rand.New(rand.NewPCG(r.seed, r.number))
	for who := 1; who <= 2+random.IntN(3); who++ {
		mine := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		all.Go(func() {
			gate.Wait()
			for range 1 + mine.IntN(3) {
				var faults []Fault
				if mine.IntN(3) == 0 {
					faults = []Fault{{At: 1 + mine.IntN(60), Kind: Kill}}
				}
				r.call(who, []string{"run", "run", "rollback", "recover"}[mine.IntN(4)], mine, faults)
			}
		})
	}
	gate.Done()
	all.Wait()
	calm := rand.New(rand.NewPCG(1, 1))
	for range 2 { // the second finds nothing to do
		r.engine.free("promote-shop", 0)
		if !r.call(9, "recover", calm, nil) {
			r.violate("the lock is still held when all are gone")
		}
	}
	r.look()
}

func (r *race) look() {
	store, err := journal.OpenStore(r.dir)
	if err != nil {
		r.violate("%v", err)
		return
	}
	left, err := store.Unfinished()
	if err != nil || len(left) > 0 {
		r.violate("unfinished in the end: %v, %v", left, err)
	}
	releases := map[string]bool{}
	for name, c := range r.world.Containers {
		if name != "db" && !c.Job {
			releases[release(c)] = true
			if !c.Running {
				r.violate("%s does not run in the end", name)
			}
		}
	}
	if len(releases) != 1 {
		r.violate("in the end the target runs %v", releases)
	}
	for _, wrong := range r.world.Wrong {
		r.violate("%s", wrong)
	}
}

// TestRaces lets operators race for one target. PROMOTE_RACE_RUNS says how often, PROMOTE_FAULT_SEED which.
func TestRaces(t *testing.T) {
	runs := number(t, "PROMOTE_RACE_RUNS", 150)
	seed := number(t, "PROMOTE_FAULT_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	dir := workdir(t)
	violations, mutated, locked := 0, int64(0), int64(0)
	for n := range runs {
		r := &race{seed: seed, number: n, engine: names{held: map[string]int{}}, dir: filepath.Join(dir, fmt.Sprint(n)), world: NewWorld(Shape{Job: true})}
		r.run()
		mutated, locked = mutated+r.mutated.Load(), locked+r.locked.Load()
		if len(r.wrong) > 0 {
			violations++
			if violations <= 3 {
				t.Errorf("seed %d race %d: %q", seed, n, r.wrong)
			}
		}
	}
	t.Logf("%d calls changed the target, %d were sent away", mutated, locked)
	t.Logf("races: runs=%d violations=%d", runs, violations)
	if violations > 0 {
		t.Fail()
	}
	if locked == 0 || mutated == 0 {
		t.Error("nobody raced")
	}
}
