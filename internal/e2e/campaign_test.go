package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/promotion"
)

// campaign plays trials, one after the other, in one shop.
type campaign struct {
	shop    *shop
	killer  *killer
	at      demo.Release             // development's
	old     state                    // staging's, without the writers' orders
	new     map[demo.Release]state   // a release that was promoted undisturbed
	orphans map[string]bool          // directories that a dying server left
	typical map[string]time.Duration // of steps
	tried   bool                     // the oracle was
	tally   map[string]int           // of outcomes, and of who was hit
}

// told is what a call told.
type told struct {
	answer
	what      string
	killed    bool
	recovered bool // it was promote recover
}

// played is one trial as it went.
type played struct {
	trial   trial
	story   *story
	writer  *writer
	answers []told
	hits    []hit // that hit
	acked   int
	gone    int
}

func (p *played) struck(victims ...victim) bool {
	return slices.ContainsFunc(p.hits, func(h hit) bool { return slices.Contains(victims, h.victim) })
}

// TestFaultCampaign kills what takes part in promotions of the sample system, and judges what is left. It is for
// .github/bench/faults.sh full: PROMOTE_FAULT_RUNS says how many trials, PROMOTE_FAULT_SEED which; from PROMOTE_FAULT_FIRST
// on, or PROMOTE_FAULT_ONLY alone. PROMOTE_FAULT_ENGINE is a command that restarts the engine.
func TestFaultCampaign(t *testing.T) {
	if os.Getenv("PROMOTE_E2E") != "faults" {
		t.Skip("an hour's work: .github/bench/faults.sh full")
	}
	need(t)
	runs := setting(t, "PROMOTE_FAULT_RUNS", 20)
	seed := setting(t, "PROMOTE_FAULT_SEED", uint64(time.Now().Unix()))
	first := setting(t, "PROMOTE_FAULT_FIRST", 0)
	if only := setting(t, "PROMOTE_FAULT_ONLY", runs); only != runs {
		first, runs = only, only+1
	}
	t.Logf("seed %d", seed)
	c := &campaign{tally: map[string]int{}, typical: map[string]time.Duration{}}
	c.killer = &killer{restart: strings.Fields(os.Getenv("PROMOTE_FAULT_ENGINE"))}
	violations, count := 0, 0
	started := time.Now()
	for n := first; n < runs; n++ {
		trial := choose(seed, n, len(c.killer.restart) > 0)
		if c.shop == nil {
			c.open(t)
		}
		if c.at != trial.release {
			c.shop.release(t, trial.release)
			c.at = trial.release
		}
		count++
		if !t.Run(fmt.Sprint(n), func(t *testing.T) { c.play(t, trial) }) {
			violations++
			t.Logf("seed %d run %d: %s", seed, n, trial)
			c.close(t)
		}
		t.Logf("after %d runs in %s: violations=%d", count, time.Since(started).Round(time.Second), violations)
	}
	for _, what := range slices.Sorted(maps.Keys(c.tally)) {
		t.Logf("tally: %-40s %d", what, c.tally[what])
	}
	t.Logf("full: runs=%d violations=%d", count, violations)
}

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// open starts a shop whose program reaches the engine over a line that can be cut.
func (c *campaign) open(t *testing.T) {
	t.Helper()
	c.at = demo.Release{Number: 2}
	c.shop = newShop(t, options{dev: c.at, staging: demo.Release{Number: 1}})
	if err := c.shop.Development.Set("SHOP_HEALTH_INTERVAL", "10s"); err != nil { // nothing happens there
		t.Fatal(err)
	}
	config, err := os.OpenFile(c.shop.Config, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = config.WriteString("\npolicy: {settle: 2s}\n")
		err = errors.Join(err, config.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	engine, local := strings.CutPrefix(world.stack.Host(), "unix://")
	if !local {
		t.Fatalf("the campaign kills processes of the engine's host: it has to be this one, not %s", world.stack.Host())
	}
	socket := filepath.Join(c.shop.Dir, "engine.sock")
	c.killer.line, c.killer.shop = newLine(t, socket, engine), c.shop
	c.shop.host = "unix://" + socket
	c.new, c.orphans = map[demo.Release]state{}, map[string]bool{}
	// The first promotion, which nobody disturbs, shows what the new release looks like and how long each step takes.
	c.old = c.shop.read(t)
	c.tried = c.tried || os.Getenv("PROMOTE_FAULT_FIRST") != "" // goes on with a campaign that was interrupted
	if !t.Run("undisturbed", func(t *testing.T) { c.play(t, trial{release: c.at}) }) {
		t.Fatal("a promotion that nobody disturbs has to go well, and the oracle has to see what is wrong")
	}
}

// close removes a shop in which something went wrong.
func (c *campaign) close(t *testing.T) {
	t.Helper()
	for _, env := range []demo.Environment{c.shop.Development, c.shop.Staging} {
		if err := demo.RemovePromoted(t.Context(), world.engine, env.Project); err != nil {
			t.Error(err)
		}
	}
	c.shop = nil
}

// play plays one trial to its end, and leaves staging with the old release.
func (c *campaign) play(t *testing.T, trial trial) {
	started := time.Now()
	p := &played{trial: trial, writer: write(t, c.shop.Staging), story: c.shop.next(t)}
	defer func() {
		if t.Failed() {
			c.tell(t, p)
		}
	}()
	c.act(t, p, trial.hits, "run", "--release-hold")
	outcome := c.judge(t, p)
	c.tally["outcome "+string(outcome)]++
	line := fmt.Sprintf("%s: %s", trial.release.Tag(), outcome)
	if outcome == promotion.Done && !t.Failed() {
		c.giveBack(t, p)
		c.tally["given back"]++
		if !c.tried && !t.Failed() {
			c.tried = true
			c.tryOracle(t, p)
		}
		line += ", given back"
	}
	p.writer.end()
	c.shop.sql(t, "DELETE FROM orders WHERE "+p.writer.mine())
	p.story.learn(c.typical)
	t.Logf("%s in %s; hit %v; %d orders acknowledged, %d of the new release gone", line, time.Since(started).Round(100*time.Millisecond), p.hits, p.acked, p.gone)
}

// giveBack brings staging back to the old release. A rollback that is killed before its first record never happened: it is
// asked for again.
func (c *campaign) giveBack(t *testing.T, p *played) {
	t.Helper()
	for hits := p.trial.backHits; ; hits = nil {
		p.answers = nil
		p.story.again()
		c.act(t, p, hits, "rollback", p.story.id, "--discard-writes")
		if got := c.judge(t, p); got != promotion.Done || t.Failed() {
			return
		}
		if hits == nil {
			t.Fatal("a rollback that nobody disturbs does not happen")
		}
	}
}

// act makes a call, hits whom it has to hit, and sees the promotion through: where nobody is left who works at it,
// promote recover is called.
func (c *campaign) act(t *testing.T, p *played, hits []hit, args ...string) {
	t.Helper()
	ctx, over := context.WithCancel(t.Context())
	var struck []hit
	var problem error
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, h := range hits {
			if !p.story.await(ctx, h.moment, c.typical) {
				return
			}
			if problem = c.killer.strike(ctx, h.victim); problem != nil {
				return
			}
			struck = append(struck, h)
		}
	}()
	recovers := 0
	for {
		a := told{what: args[0], recovered: args[0] == "recover"}
		r := c.shop.start(t, args...)
		c.killer.call.Store(r)
		a.answer = r.end(t)
		c.killer.call.Store(nil)
		a.killed = a.code == -1
		p.answers = append(p.answers, a)
		stands := c.settled(t)
		if !stands && !a.killed {
			break
		}
		if recovers++; recovers > 6 {
			t.Errorf("not over after %d calls of promote recover", recovers-1)
			break
		}
		args = []string{"recover"}
	}
	over()
	<-done
	if problem != nil {
		t.Fatal(problem)
	}
	p.hits = append(p.hits, struck...)
	for _, h := range struck {
		c.tally["hit "+string(h.victim)]++
	}
	c.tally["missed"] += len(hits) - len(struck)
}

// settled waits until the agent is gone, or reports that it stands still.
func (c *campaign) settled(t *testing.T) (stands bool) {
	t.Helper()
	idle := 0
	for end := time.Now().Add(promoteTime); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		in, err := world.engine.ContainerInspect(t.Context(), "promote-"+c.shop.Staging.Project)
		if err != nil {
			return false
		}
		switch in.State.Status {
		case container.StateRunning, container.StateRestarting, container.StateRemoving:
			idle = 0
		default:
			if idle++; idle > 15 { // the engine would have started it by now
				return true
			}
		}
	}
	t.Errorf("the agent is still at work after %s", promoteTime)
	return false
}

// tell writes down what is needed to understand a violation.
func (c *campaign) tell(t *testing.T, p *played) {
	t.Helper()
	t.Logf("%s; hit %v", p.trial, p.hits)
	for _, a := range p.answers {
		lines := strings.Split(strings.TrimSpace(a.stderr), "\n")
		t.Logf("%s: exit code %d (killed %t), outcome %q: %s %v\n%s", a.what, a.code, a.killed, a.result.Outcome, a.result.Reason, a.result.Rollback, strings.Join(lines[max(0, len(lines)-25):], "\n"))
	}
	for _, r := range p.story.all() {
		if r.Message != "check" {
			t.Logf("journal %s %s %s %s %s %s", stamp(r.Time), r.Type, r.Phase, r.Step, r.Outcome, r.Message)
		}
	}
}
