package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/org/promote-action/internal/fault"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promotion"
)

// healthTime is the one wait for health that the target is given after all is over.
const healthTime = 90 * time.Second

// told are the promotions that promote history lists, newest first.
func (s *shop) told(t testing.TB) []promotion.Result {
	t.Helper()
	r := s.start(t, "history")
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("promote history: %v\n%s", err, r.stderr.String())
	}
	var h struct {
		Promotions []promotion.Result `json:"promotions"`
	}
	if err := json.Unmarshal(r.stdout.Bytes(), &h); err != nil {
		t.Fatalf("promote history: %v\n%s", err, r.stdout.String())
	}
	return h.Promotions
}

// judge fails the test with everything that is not as the outcome says that it has to be, and returns the outcome.
func (c *campaign) judge(t testing.TB, p *played) promotion.Outcome {
	t.Helper()
	c.healthy(t)
	history := c.shop.told(t)
	outcome := c.outcome(t, p, history)
	now := c.shop.read(t)
	if outcome == promotion.Done {
		c.isNew(t, p, now)
	} else {
		same(t, c.old, now)
	}
	c.rows(t, p, outcome)
	c.leftovers(t, p, outcome, history)
	c.agrees(t, p, outcome)
	return outcome
}

// healthy waits until every service runs and is healthy.
func (c *campaign) healthy(t testing.TB) {
	t.Helper()
	ill := ""
	for end := time.Now().Add(healthTime); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		ill = ""
		seen := 0
		for _, in := range containers(t, c.shop.Staging.Project) {
			seen++
			switch {
			case service(in) == "migrate" && !in.State.Running:
			case !in.State.Running, in.State.Health != nil && in.State.Health.Status != container.Healthy:
				ill = in.Name + " is " + in.State.Status
			}
		}
		if seen < 6 {
			ill = fmt.Sprintf("%d containers", seen)
		}
		if ill == "" {
			return
		}
	}
	t.Errorf("the target is not healthy after %s: %s", healthTime, ill)
}

// outcome is what the history says of the promotion that was played.
func (c *campaign) outcome(t testing.TB, p *played, history []promotion.Result) promotion.Outcome {
	t.Helper()
	if len(p.story.all()) == 0 {
		if len(history) > 0 && !p.story.before[history[0].ID] {
			t.Errorf("history knows %s, which left nothing in the state volume", history[0].ID)
		}
		return promotion.Refused
	}
	for _, h := range history {
		if h.ID != p.story.id {
			continue
		}
		switch h.Outcome {
		case promotion.Done, promotion.RolledBack, promotion.Restored, promotion.Refused, promotion.Canceled:
		default:
			t.Errorf("history says %q: %s", h.Outcome, h.Reason)
		}
		return h.Outcome
	}
	t.Errorf("history does not list %s", p.story.id)
	return promotion.Refused
}

// isNew proves that the target is the new release: development's images, and the containers and the schema of the first
// promotion of this release, which was left alone while development's schema was that release's too.
func (c *campaign) isNew(t testing.TB, p *played, now state) {
	t.Helper()
	want, got := c.shop.images(t, c.shop.Development.Project), c.shop.images(t, c.shop.Staging.Project)
	delete(want, "db")
	for name, image := range want {
		if got[name] != image {
			t.Errorf("%s runs %s, development %s", name, got[name], image)
		}
	}
	reference, known := c.new[p.trial.release]
	if !known {
		if schema := c.shop.schema(t, c.shop.Development.Project); schema != now.schema {
			t.Errorf("the schema is not development's:\n%s", otherLines(schema, now.schema))
		}
		c.new[p.trial.release] = now
		return
	}
	differences(t, "container", reference.containers, now.containers)
	if reference.schema != now.schema {
		t.Errorf("the schema is not the release's:\n%s", otherLines(reference.schema, now.schema))
	}
}

// rows proves that every acknowledged order is there, those excepted that only the new release took and that went with it.
func (c *campaign) rows(t testing.TB, p *played, outcome promotion.Outcome) {
	t.Helper()
	acked := p.writer.acknowledged() // before the rows are read: the writer goes on
	there := map[string]bool{}
	for _, n := range c.shop.sql(t, "SELECT number FROM orders WHERE "+p.writer.mine()) {
		there[n] = true
	}
	from, to := p.story.taken()
	lost, gone := 0, 0
	for i, at := range acked {
		switch {
		case there[fmt.Sprint(p.writer.first+int64(i))]:
		case outcome != promotion.Done && !from.IsZero() && at.After(from) && (at.Before(to) || to.IsZero()):
			gone++
		default:
			if lost++; lost < 4 {
				t.Errorf("order %d was acknowledged at %s and is lost (new release: %s to %s)", p.writer.first+int64(i), stamp(at), stamp(from), stamp(to))
			}
		}
	}
	p.acked, p.gone = len(acked), gone
	if lost > 0 {
		t.Errorf("%d of %d acknowledged orders are lost", lost, len(acked))
	}
	if sent := len(p.writer.acknowledged()) + 1; len(there) > sent {
		t.Errorf("%d orders are there, %d were sent", len(there), sent)
	}
}

func stamp(at time.Time) string { return at.UTC().Format("15:04:05.000") }

// leftovers proves that nothing is left but what is said to be kept.
func (c *campaign) leftovers(t testing.TB, p *played, outcome promotion.Outcome, history []promotion.Result) {
	t.Helper()
	s := c.shop
	for _, project := range []string{s.Development.Project, s.Staging.Project} {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
			left, err := world.engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "dev.promote.project="+project))})
			if err != nil {
				t.Fatal(err)
			}
			if len(left) == 0 {
				break
			}
			if time.Now().After(end) {
				t.Errorf("container %s (%s) of the promotion is still there", left[0].Names[0], left[0].Status)
				break
			}
		}
	}
	for _, line := range s.sql(t, "SELECT datname || ' ' || datallowconn || ' ' || datconnlimit FROM pg_database WHERE NOT datistemplate AND datname NOT LIKE 'promote.%'") {
		if name, open, _ := strings.Cut(line, " "); open != "true -1" {
			t.Errorf("database %s is not open: allowed %s", name, open)
		}
	}
	if sessions := s.sql(t, "SELECT pid || ' ' || query FROM pg_stat_activity WHERE application_name = 'promote'"); len(sessions) > 0 {
		t.Errorf("sessions of promote are left: %q", sessions)
	}
	copies := s.sql(t, "SELECT datname FROM pg_database WHERE datname LIKE 'promote.%' ORDER BY 1")
	outcomes := map[string]promotion.Outcome{}
	for _, h := range history {
		outcomes[h.ID] = h.Outcome
	}
	for _, wrong := range fault.Copies(copies, p.story.id, outcomes) {
		t.Error(wrong)
	}
	c.directories(t, p)
	c.files(t, p)
}

// directories proves that no database is left that only the file system knows. The server that dies while it copies one
// leaves such a directory, which no statement can remove: that is said and counted.
func (c *campaign) directories(t testing.TB, p *played) {
	t.Helper()
	for _, dir := range c.shop.sql(t, "SELECT d FROM pg_ls_dir('base') d WHERE d ~ '^[0-9]+$' AND d::oid NOT IN (SELECT oid FROM pg_database) ORDER BY 1") {
		if c.orphans[dir] {
			continue
		}
		c.orphans[dir] = true
		if !p.struck(theServer, aBackend, theEngine) {
			t.Errorf("directory base/%s belongs to no database", dir)
		}
	}
}

// files proves that the state volume and the backup folder hold nothing half-written.
func (c *campaign) files(t testing.TB, p *played) {
	t.Helper()
	roots := []string{c.shop.folder(t)}
	if !p.struck(theDriver, both) { // a killed driver's half-written backup goes with the next promotion
		roots = append(roots, c.shop.backups)
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			name := filepath.Base(path)
			if strings.Contains(name, ".tmp-") || strings.HasSuffix(name, ".partial") || filepath.Base(filepath.Dir(path)) == "tmp" {
				t.Errorf("%s is left", strings.TrimPrefix(path, root))
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}
}

// agrees proves that exit codes and reports say what the history says.
func (c *campaign) agrees(t testing.TB, p *played, outcome promotion.Outcome) {
	t.Helper()
	for _, a := range p.answers {
		switch {
		case a.killed:
			continue
		case p.story.id == "" || a.result.ID != p.story.id:
			if a.code == 0 && !a.recovered {
				t.Errorf("%s ends with 0 and tells of %q", a.what, a.result.ID)
			}
			continue
		case a.code != a.result.Outcome.Code():
			t.Errorf("%s: exit code %d with outcome %q", a.what, a.code, a.result.Outcome)
		}
	}
	last := slices.IndexFunc(p.answers, func(a told) bool { return !a.killed && p.story.id != "" && a.result.ID == p.story.id })
	for i, a := range p.answers {
		if !a.killed && p.story.id != "" && a.result.ID == p.story.id {
			last = i
		}
	}
	if last < 0 {
		return
	}
	a := p.answers[last]
	if a.result.Outcome != outcome {
		t.Errorf("%s says %q (%s), history says %q", a.what, a.result.Outcome, a.result.Reason, outcome)
	}
	opened := slices.ContainsFunc(p.story.all(), func(r journal.Record) bool { return kind(r.Step) == "open-database" })
	for _, wrong := range fault.Account(a.result, fault.Scope{Databases: 1, Volumes: 1, Opened: opened}) {
		t.Errorf("%s: %s", a.what, wrong)
	}
}
