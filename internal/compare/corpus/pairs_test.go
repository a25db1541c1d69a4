package corpus

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/setting"
	"github.com/org/promote-action/internal/snapshot"
)

// How many pairs are compared.
const (
	twinPairs, twinPairsOfPart         = 100, 40
	readingPairs, readingPairsOfPart   = 20, 2
	restoredPairs, restoredPairsOfPart = 10, 1
)

// pairs compares environments that differ in nothing that matters: one read twice, and twins with values of their own.
func (c *campaign) pairs(t *testing.T) {
	choose := func(whole, part int) int {
		if c.whole {
			return whole
		}
		return part
	}
	for i := range choose(twinPairs, twinPairsOfPart) {
		t.Run(fmt.Sprintf("pair/twin-%d", i), func(t *testing.T) { c.twin(t, i%2 == 0) })
	}
	for i := range choose(readingPairs, readingPairsOfPart) {
		t.Run(fmt.Sprintf("pair/reading-%d", i), func(t *testing.T) { c.sameDatabase(t, false) })
	}
	for i := range choose(restoredPairs, restoredPairsOfPart) {
		t.Run(fmt.Sprintf("pair/restored-%d", i), func(t *testing.T) { c.sameDatabase(t, true) })
	}
}

// twin compares two environments of one making, whose requests take times of one distribution. Either they are the base's
// two, with secrets drawn anew, or it is one environment that is read twice.
func (c *campaign) twin(t *testing.T, one bool) {
	w := c.world(t, nil)
	if one {
		again := *w.To
		w.From = &again
	} else {
		own(c.random, t, w.From)
		own(c.random, t, w.To)
	}
	for at := range w.Performance {
		l := latency{
			Median: 1 + 200*c.random.Float64(), Spread: 0.05 + 0.5*c.random.Float64(), Tail: 0.05 * c.random.Float64(),
			Drift: c.random.Float64(), N: 20 + c.random.IntN(300), Fails: 0.03 * c.random.Float64(),
		}
		w.Performance[at] = endpoint{From: l, To: l}
	}
	in := w.input(t, c.random)
	if one {
		in.Names[0] = in.Names[1]
	}
	c.pairsOfAll++
	c.count(t, compare.Compare(in), compare.Areas()...)
}

// own gives an environment secrets of its own.
func own(r *rand.Rand, t *testing.T, s *side) {
	t.Helper()
	reader := s.reader(t, compare.Rules{})
	for _, name := range sortedKeys(s.Services) {
		svc := s.Services[name]
		variables := map[string]string{}
		for _, key := range sortedKeys(svc.Variables) {
			variables[key] = svc.Variables[key]
			if read := reader.Read(key, variables[key]); len(read) == 1 && read[0].Kind == setting.Secret && variables[key] != "" {
				variables[key] = word(r, 16+r.IntN(32))
			}
		}
		svc.Variables = variables
		s.Services[name] = svc
	}
}

func word(r *rand.Rand, n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	out := make([]byte, n)
	for i := range out {
		out[i] = letters[r.IntN(len(letters))]
	}
	return string(out)
}

// sameDatabase compares a database with itself: read twice, or as it was dumped and restored.
func (c *campaign) sameDatabase(t *testing.T, restored bool) {
	lab := *c.lab
	lab.t = t
	in := c.world(t, nil).input(t, c.random)
	lab.database(fromName, template, scatter(c.random))
	to := fromName
	if restored {
		to = toName
		lab.restored(toName, fromName)
	}
	lab.fill(&in, fromName, to)
	for _, s := range []*snapshot.Snapshot{in.From, in.To} {
		shuffled(c.random, s.Details.Catalogs[0].Objects)
		shuffled(c.random, s.Details.Catalogs[0].Tables)
	}
	got := compare.Compare(in)
	for _, f := range got.Findings {
		if f.Area == compare.Schema {
			t.Errorf("a difference between a database and itself: %s", said(f))
		}
	}
	c.pairsOfAll++
	c.count(t, got, compare.Schema)
}

// scatter is a script that gives the base's tables rows, dead ones among them, and further objects in a random order.
func scatter(r *rand.Rand) string {
	n := 50 + r.IntN(500)
	script := fmt.Sprintf("INSERT INTO orders (customer, total) SELECT 1 + i %% 10, i FROM generate_series(1, %d) i; DELETE FROM orders WHERE id %% %d = 0; UPDATE orders SET note = 'again' WHERE id %% %d = 0;", n, 2+r.IntN(9), 2+r.IntN(9))
	for _, i := range r.Perm(6) {
		script += fmt.Sprintf(" CREATE TABLE more_%d (id bigserial PRIMARY KEY, a int CHECK (a <> %d), b text DEFAULT 'x', UNIQUE (a, b)); CREATE INDEX ON more_%d (b) WHERE a > %d; INSERT INTO more_%d (a) SELECT i + %d FROM generate_series(1, %d) i;",
			i, i, i, r.IntN(100), i, i+1, 1+r.IntN(300))
	}
	return script
}
