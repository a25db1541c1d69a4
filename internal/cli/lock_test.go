package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promotion"
)

// The second caller is told who promotes, since when, from where, and in which phase; and nothing of the first is disturbed.
func TestSecondCaller(t *testing.T) {
	p := pairOn(t, "")
	p.linger(t, "8s")
	p.up(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	first := p.start(t, "alice", "run", "--format", "json")
	first.until(t, "shutdown: started")
	told := []string{"alice@" + host, "since " + time.Now().UTC().Format("2006-01-02 "), "UTC, in phase shutdown", "follow it: promote run --id "}
	text := p.run(t, 6, told, "run")
	result := p.json(t, 6, told, "run")
	done := first.end(t)
	if done.code != 0 || done.result.Outcome != promotion.Done {
		t.Fatalf("the first: exit code %d\n%s", done.code, done.stderr)
	}
	if id := done.result.ID; !strings.Contains(text.stdout, id) || !strings.Contains(result.Reason, id) || result.Outcome != promotion.Locked {
		t.Errorf("not told which promotion: %s", result.Reason)
	}
	p.runs(t, p.next)
}

// A driver that is stopped for a minute and goes on then: before the first change its promotion was cancelled meanwhile, and it
// says so; afterwards it shows how the promotion ended without it.
func TestPausedDriver(t *testing.T) {
	whole(t)
	p := newPair(t, "")
	pause := func(at string) answer {
		c := p.start(t, "alice", "run", "--format", "json")
		c.until(t, at)
		c.signal(t, syscall.SIGSTOP)
		time.Sleep(time.Minute)
		c.signal(t, syscall.SIGCONT)
		return c.end(t)
	}
	for _, at := range []string{"backup: started"} {
		a := pause(at)
		if a.code != 3 || a.result.Outcome != promotion.Canceled || !strings.Contains(a.result.Reason, "this driver was not heard of for too long") || len(a.result.Next) == 0 {
			t.Errorf("stopped at %q: exit code %d, %s\n%s", at, a.code, a.stdout, a.stderr)
		}
		p.runs(t, p.first)
		p.gone(t)
		p.run(t, 0, []string{a.result.ID, "cancelled"}, "history")
	}
	for _, at := range []string{"shutdown: started"} {
		a := pause(at)
		if a.code != 0 || a.result.Outcome != promotion.Done {
			t.Errorf("stopped at %q: exit code %d, %s\n%s", at, a.code, a.stdout, a.stderr)
		}
		p.runs(t, p.next)
		p.run(t, 0, nil, "rollback")
		p.runs(t, p.first)
	}
}

// number is a setting of a campaign.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// Of several that start the promoting agent at once one gets it, and every other one is told by whom it is held.
// PROMOTE_RACE_NAMES says how often.
func TestRacesForTheName(t *testing.T) {
	runs := number(t, "PROMOTE_RACE_NAMES", 2)
	p := pairOn(t, "")
	image, err := agent.Load(t.Context(), p.engine, p.exe, "test")
	if err != nil {
		t.Fatal(err)
	}
	violations := 0
	for n := range runs {
		if wrong := p.raceForName(t.Context(), image); len(wrong) > 0 {
			violations++
			t.Errorf("race %d: %q", n, wrong)
		}
	}
	t.Logf("names: runs=%d violations=%d", runs, violations)
	if _, err := p.engine.Volume(t.Context(), agent.StateVolume(p.staging)); !errors.Is(err, compose.ErrNotFound) {
		t.Errorf("an empty state volume is left: %v", err)
	}
}

func (p *pair) raceForName(ctx context.Context, image string) []string {
	const racers = 4
	var wg sync.WaitGroup
	var mu sync.Mutex
	var wrong []string
	var won []*agent.Remote
	gate := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			<-gate
			who := agent.Identity{Image: image, Executable: p.exe, Version: "test", By: fmt.Sprintf("operator%d@here", i)}
			r, err := agent.StartPromoter(ctx, p.engine, p.staging, promotion.NewID(time.Now(), fmt.Sprint(i)), who)
			mu.Lock()
			defer mu.Unlock()
			var locked *agent.LockedError
			switch {
			case err == nil:
				won = append(won, r)
			case !errors.As(err, &locked):
				wrong = append(wrong, err.Error())
			case locked.Info.By == "" || locked.Info.Promotion == "" || locked.Info.Since.IsZero() || locked.Info.Phase == "":
				wrong = append(wrong, "not told who: "+err.Error())
			}
		})
	}
	close(gate)
	wg.Wait()
	if len(won) != 1 {
		wrong = append(wrong, fmt.Sprintf("%d of %d got the agent", len(won), racers))
	}
	for _, r := range won {
		r.Leave(ctx)
		r.Close()
	}
	return wrong
}

// Operators who run, roll back and recover at once: never two that change the target, and in the end it is wholly on one release.
// PROMOTE_RACE_CALLS says how often, not at all by default; PROMOTE_FAULT_SEED which.
func TestOperatorsAtOnce(t *testing.T) {
	runs := number(t, "PROMOTE_RACE_CALLS", 0)
	if runs == 0 {
		t.Skip("PROMOTE_RACE_CALLS says how often")
	}
	seed := uint64(number(t, "PROMOTE_FAULT_SEED", int(time.Now().UnixNano()>>1)))
	t.Logf("seed %d", seed)
	p := newPair(t, "")
	violations := 0
	for n := range runs {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		var calls []*call
		var names []string
		for i := range 3 {
			command := [][]string{{"run", "--release-hold"}, {"run", "--release-hold"}, {"rollback"}, {"recover"}}[random.IntN(4)]
			if i == 0 {
				command = []string{"run", "--release-hold"}
			}
			names = append(names, command[0])
			calls = append(calls, p.start(t, "operator"+fmt.Sprint(i), append(command, "--format", "json")...))
			time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		}
		var wrong []string
		for i, c := range calls {
			a := c.end(t)
			if !slices.Contains([]int{0, 3, 4, 6}, a.code) {
				wrong = append(wrong, fmt.Sprintf("%s: exit code %d: %s", names[i], a.code, a.stderr))
			}
			if a.code == 6 && !strings.Contains(a.stdout, "operator") {
				wrong = append(wrong, fmt.Sprintf("%s was not told by whom: %s", names[i], a.stdout))
			}
		}
		p.gone(t)
		wrong = append(wrong, overlaps(t, filepath.Join(p.state(t), "promotions"))...)
		got := p.images(t)
		if got["web"] != got["worker"] || !strings.HasSuffix(got["web"], " running") {
			wrong = append(wrong, fmt.Sprintf("in the end staging runs %v", got))
		}
		if len(wrong) > 0 {
			violations++
			t.Errorf("seed %d race %d: %q", seed, n, wrong)
		}
	}
	t.Logf("calls: runs=%d violations=%d", runs, violations)
}

// overlaps are the promotions of a state volume that changed the target while another one did.
func overlaps(t *testing.T, dir string) []string {
	t.Helper()
	type span struct {
		id       string
		from, to time.Time
	}
	var spans []span
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	for _, n := range names {
		replay, err := journal.Read(filepath.Join(dir, n.Name(), "journal"))
		if err != nil {
			t.Fatal(err)
		}
		if replay.State().Unfinished() {
			wrong = append(wrong, n.Name()+" is unfinished")
		}
		one := span{id: n.Name()}
		for _, r := range replay.Records {
			switch {
			case (r.Type == journal.Intent && r.Phase.Mutates() || r.Type == journal.UndoIntent) && one.from.IsZero():
				one.from = r.Time
			case r.Type == journal.Outcome && !one.from.IsZero():
				one.to = r.Time
				spans = append(spans, one)
				one = span{id: n.Name()}
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	for i := range spans[min(1, len(spans)):] {
		if spans[i+1].from.Before(spans[i].to) {
			wrong = append(wrong, fmt.Sprintf("%s changed the target while %s did", spans[i+1].id, spans[i].id))
		}
	}
	return wrong
}
