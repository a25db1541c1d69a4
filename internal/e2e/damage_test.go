package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/org/promote-action/internal/promotion"
)

// witness is a test that only listens to what is held against it.
type witness struct {
	testing.TB
	said []string
}

func (w *witness) Helper() {}

func (w *witness) Error(args ...any) { w.said = append(w.said, fmt.Sprint(args...)) }

func (w *witness) Errorf(format string, args ...any) {
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

func (w *witness) Failed() bool { return len(w.said) > 0 }

// damage is one thing that the oracle has to see, and how it is put right.
type damage struct {
	what, word  string
	do, putBack func()
}

// tryOracle damages the target after a promotion that was given back, and fails the test when the oracle does not see it.
func (c *campaign) tryOracle(t *testing.T, p *played) {
	t.Helper()
	s := c.shop
	sql := func(query string) func() { return func() { s.sql(t, query) } }
	stray := filepath.Join(s.folder(t), ".journal.tmp-1")
	var helper string
	answers := p.answers
	for _, d := range []damage{
		{"a helper container", "is still there", func() {
			made, err := world.engine.ContainerCreate(t.Context(), &container.Config{
				Image: world.agent, Labels: map[string]string{"dev.promote.project": s.Staging.Project, "dev.promote.role": "tool"},
			}, nil, nil, nil, "")
			if err != nil {
				t.Fatal(err)
			}
			helper = made.ID
		}, func() {
			if err := world.engine.ContainerRemove(t.Context(), helper, container.RemoveOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
		}},
		{"a row of the old release", "rows of products differs", sql("UPDATE products SET price_cents = price_cents + 1"), sql("UPDATE products SET price_cents = price_cents - 1")},
		{"a schema", "the schema differs", sql("CREATE TABLE stray ()"), sql("DROP TABLE stray")},
		{"a database that is limited", "is not open", sql("ALTER DATABASE shop CONNECTION LIMIT 40"), sql("ALTER DATABASE shop CONNECTION LIMIT -1")},
		{"a copy", "is left", sql(`CREATE DATABASE "promote.restore.20200101-000000-1.shop"`), sql(`DROP DATABASE "promote.restore.20200101-000000-1.shop"`)},
		{"a temporary file", "is left", func() {
			if err := os.WriteFile(stray, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, func() { _ = os.Remove(stray) }},
		{"an exit code", "exit code 0 with outcome", func() {
			a := told{what: "rollback"}
			a.result.ID, a.result.Outcome = p.story.id, promotion.RolledBack
			p.answers = append([]told{a}, answers...)
		}, func() { p.answers = answers }},
		{"an outcome", "history says", func() {
			a := answers[len(answers)-1]
			a.result.Outcome = promotion.Done
			p.answers = append(answers[:len(answers):len(answers)], a)
		}, func() { p.answers = answers }},
		{"an acknowledged order", "is lost", sql(fmt.Sprintf("DELETE FROM orders WHERE number = %d", p.writer.first)), func() {}}, // the last: it cannot be put back
	} {
		d.do()
		w := &witness{TB: t}
		c.judge(w, p)
		d.putBack()
		if !strings.Contains(strings.Join(w.said, "\n"), d.word) {
			t.Errorf("the oracle does not see %s: %q", d.what, w.said)
		}
	}
}
