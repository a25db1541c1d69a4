package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// sampleComparisons has one comparison of every verdict.
func sampleComparisons() map[string]ComparisonView {
	number := func(f float64) *float64 { return &f }
	rows := int64(1200)
	sides := func(c *compare.Comparison) {
		c.Schema, c.At, c.Policy = compare.SchemaVersion, at, compare.DefaultPolicy()
		c.From = compare.Side{Environment: "development", Project: "shop-dev", TakenAt: at}
		c.To = compare.Side{Environment: "staging", Project: "shop-staging", TakenAt: at.Add(time.Second)}
	}
	all := map[string]ComparisonView{}

	var c compare.Comparison
	sides(&c)
	c.Verdict, c.Why, c.Score, c.Measured, c.Coverage = compare.Ready, "98.2 of 100 points, 97 % measured", number(98.2), number(98.2), 97
	c.Areas = []compare.AreaResult{
		{Area: compare.Versions, Score: number(100), Coverage: 100, Findings: 2},
		{Area: compare.Schema, Score: number(100), Coverage: 100, Equal: true},
		{Area: compare.Configuration, Score: number(96), Coverage: 100, Findings: 1},
		{Area: compare.Flags, Score: number(100), Coverage: 100, Equal: true},
		{Area: compare.Performance},
		{Area: compare.Readiness, Score: number(100), Coverage: 100},
	}
	c.Services = []compare.Move{
		{Service: "api", Critical: true, Direction: compare.Ahead, From: compare.Version{Image: "shop/api:2", ImageID: id("b2"), Version: "1.3.0", Revision: "3f2a9c10b7d84e5f60718293a4b5c6d7e8f90123"}, To: compare.Version{Image: "shop/api:1", ImageID: id("b1"), Version: "1.2.0", Revision: "aa2a9c10b7d84e5f60718293a4b5c6d7e8f90123"}, Commits: 2},
		{Service: "web", Direction: compare.Same, From: compare.Version{Image: "shop/web:1", ImageID: id("c1")}, To: compare.Version{Image: "shop/web:1", ImageID: id("c1")}},
		{Service: "search", Direction: compare.OnlyFrom, From: compare.Version{Image: "shop/search:2", ImageID: id("e1")}},
	}
	c.Commits = []compare.Commit{
		{Hash: "3f2a9c10b7d84e5f60718293a4b5c6d7e8f90123", Subject: "orders: add a note | `x` <b>", Author: "Ada", At: at},
		{Hash: "bb2a9c10b7d84e5f60718293a4b5c6d7e8f90123", Subject: "api: answer @ops with #12", Author: "Bob", At: at.Add(-time.Hour)},
	}
	c.Objectives = []compare.Objective{
		{ID: "versions.forward", Area: compare.Versions, Title: "no service goes backwards", Weight: 9, Status: promotion.Pass},
		{ID: "configuration.same", Area: compare.Configuration, Title: "what has to be equal is equal", Weight: 3, Status: promotion.Warn, Lost: 1.8, Why: "TZ of api differs", Count: 1, Do: "set TZ to the same value"},
		{ID: "performance.latency", Area: compare.Performance, Title: "no endpoint is slower", Weight: 6, Status: promotion.Skip, Why: "no samples were asked for"},
	}
	c.Findings = []compare.Finding{
		{ID: "versions/image-ahead/api", Area: compare.Versions, Kind: "image-ahead", Subject: "api", From: "1.3.0", To: "1.2.0", Severity: compare.Info, Objective: "versions.forward", Message: "api moves 2 commits forward"},
		{ID: "configuration/value-differs/api.TZ", Area: compare.Configuration, Kind: "value-differs", Subject: "api.TZ", From: "UTC", To: "Europe/Zurich", Severity: compare.Warn, Objective: "configuration.same", Message: "TZ of api should be equal", Do: "set TZ to the same value"},
	}
	all["ready"] = ComparisonView{Comparison: c, LogPath: "env-comparison-20260304-050607.log"}

	c.Verdict, c.Why, c.Score, c.Measured, c.Coverage = compare.NotReady, "no data of the target is deleted: column public.orders.note goes, with what 1200 rows have in it", number(61.4), number(65), 94
	key := compare.Objective{ID: "schema.data-kept", Area: compare.Schema, Title: "no data of the target is deleted", Weight: 5, Key: true, Status: promotion.Fail, Lost: 20.5, Why: "column public.orders.note goes, with what 1200 rows have in it", Do: "keep the column for one release more", Count: 1}
	c.Blocking = []compare.Objective{key}
	c.Objectives = append([]compare.Objective{key}, c.Objectives...)
	c.Objectives = append(c.Objectives, compare.Objective{ID: "schema.read", Area: compare.Schema, Title: "every database could be read on both sides", Weight: 2, Status: promotion.Error, Lost: 3.6, Why: "permission denied for table secrets", Do: "GRANT SELECT ON secrets TO promote"})
	c.Areas[1] = compare.AreaResult{Area: compare.Schema, Score: number(40), Coverage: 80, Findings: 3, Missing: []string{"table public.secrets of staging: permission denied: GRANT SELECT ON secrets TO promote", "another"}}
	c.Findings = append(c.Findings,
		compare.Finding{ID: "schema/column-dropped/public.orders.note", Area: compare.Schema, Kind: "column-dropped", Subject: "public.orders.note", To: "text not null default ''", Severity: compare.Fail, Hazards: []compare.Hazard{compare.DeletesData, compare.BreaksOldCode}, Rows: &rows, Objective: "schema.data-kept", Message: "the migration deletes column note of public.orders", Do: "keep the column for one release more"},
		compare.Finding{ID: "schema/index-added/public.orders_by_day", Area: compare.Schema, Kind: "index-added", Subject: "public.orders_by_day", From: "CREATE INDEX ON public.orders (day)", Severity: compare.Warn, Hazards: []compare.Hazard{compare.BuildsIndex}, Objective: "schema.locks", Message: "writes wait while it is built", Accepted: &compare.Acceptance{Finding: "schema/index-added/*", Reason: "the table is small", Until: at.AddDate(0, 1, 0)}},
		compare.Finding{ID: "schema/function-changed/public.total", Area: compare.Schema, Kind: "function-changed", Subject: "public.total(integer)", From: "BEGIN RETURN 2; END", To: "BEGIN RETURN 1; END", Severity: compare.Info, Hazards: []compare.Hazard{compare.ChangesBehavior}, Objective: "schema.old-code"})
	c.Services = append(c.Services, compare.Move{Service: "worker", Direction: compare.Behind, From: compare.Version{Version: "0.9"}, To: compare.Version{Version: "1.0"}}, compare.Move{Service: "cron", Direction: compare.Diverged, From: compare.Version{Version: "1.0-a"}, To: compare.Version{Version: "1.0-b"}})
	c.Rehearsal = &compare.Rehearsal{
		At: at, Class: "restore", ClassWhy: "orders of the old release fails on the migrated copy: column note does not exist", Took: 12,
		Migration: []compare.RehearsedJob{{Service: "migrate", Image: "shop/migrate:2", Seconds: 2.4}},
		Databases: []compare.RehearsedData{{
			Server: "main", Database: "shop", Copy: "dump", CopySeconds: 3.1, Changed: []string{"public.orders"}, Remaining: []string{"column public.orders.day"},
			Rows: []compare.RehearsedTable{{Table: "public.orders", Before: 1200, After: 1200, Updated: 1200}}, Locks: []compare.RehearsedLock{{Table: "public.orders", Mode: "AccessExclusiveLock", Seconds: 0.3}},
		}},
	}
	c.Expired = []compare.Acceptance{{Finding: "flags/*", Reason: "until the launch", Until: at.AddDate(0, -1, 0)}}
	all["not-ready"] = ComparisonView{Comparison: c}

	c.Verdict, c.Why, c.Score, c.Coverage, c.Blocking, c.Rehearsal = compare.Caution, "84 of 100 points: ready from 90", number(84), 94, nil, nil
	all["caution"] = ComparisonView{Comparison: c}

	var d compare.Comparison
	sides(&d)
	d.Verdict, d.Why, d.Coverage = compare.Unknown, "only 12 % could be measured", 12
	d.To = compare.Side{Environment: "staging", Missing: "engine at ssh://deploy@staging: connection refused (is it running?)"}
	for _, a := range compare.Areas() {
		d.Areas = append(d.Areas, compare.AreaResult{Area: a, Missing: []string{"staging could not be read: connection refused"}})
	}
	all["unknown"] = ComparisonView{Comparison: d}
	return all
}

func TestComparisonGoldens(t *testing.T) {
	for name, v := range sampleComparisons() {
		view := Comparison(v)
		golden(t, "comparison-"+name+".txt", render(t, Text, view, Options{Width: 110}))
		golden(t, "comparison-"+name+".md", render(t, Markdown, view, Options{}))
	}
	view := Comparison(sampleComparisons()["not-ready"])
	golden(t, "comparison-not-ready.json", render(t, JSON, view, Options{}))
	golden(t, "comparison-not-ready.html", render(t, HTML, view, Options{}))
	golden(t, "comparison-not-ready-narrow.txt", render(t, Text, view, Options{Width: 64}))
	golden(t, "comparison-not-ready-colour.txt", render(t, Text, view, Options{Width: 110, Style: text.Style{Colour: true}}))
}

// Nothing but ready is green, or has the sign of a success.
func TestOnlyReadyLooksGood(t *testing.T) {
	for name, v := range sampleComparisons() {
		first, _, _ := strings.Cut(string(render(t, Text, Comparison(v), Options{Style: text.Style{Colour: true}})), "\n")
		if strings.Contains(first, "\x1b[32m") != (v.Verdict == compare.Ready) {
			t.Errorf("%s: %q", name, first)
		}
		if strings.Contains(string(render(t, Markdown, Comparison(v), Options{})), "✅") != (v.Verdict == compare.Ready) {
			t.Errorf("%s: Markdown has a sign of success", name)
		}
		if strings.Contains(string(render(t, HTML, Comparison(v), Options{})), `<header class="good">`) != (v.Verdict == compare.Ready) {
			t.Errorf("%s: the page is green", name)
		}
	}
	strange := sampleComparisons()["ready"]
	strange.Verdict = "splendid"
	if out := string(render(t, Text, Comparison(strange), Options{Style: text.Style{Colour: true}})); strings.HasPrefix(out, "\x1b[32m") {
		t.Errorf("%q", out)
	}
}

// A score just below 100 is not rounded to it, and a comparison's JSON has no null lists.
func TestComparisonFigures(t *testing.T) {
	for _, c := range []struct {
		in   float64
		want string
	}{{100, "100"}, {99.99, "99.9"}, {99.4, "99.4"}, {98.6, "99"}, {0, "0"}} {
		if got := points(&c.in); got != c.want {
			t.Errorf("%v is %s, want %s", c.in, got, c.want)
		}
	}
	var back compare.Comparison
	data := render(t, JSON, Comparison(ComparisonView{}), Options{})
	if err := json.Unmarshal(data, &back); err != nil || back.Schema != compare.SchemaVersion || bytes.Contains(data, []byte(`"findings": null`)) {
		t.Errorf("%v: %s", err, data)
	}
}

// However much differs, every form is bounded, and says what it left out.
func TestLargeComparisonsAreBounded(t *testing.T) {
	v := sampleComparisons()["not-ready"]
	for i := range 20_000 {
		v.Findings = append(v.Findings, compare.Finding{
			Area: compare.Schema, Kind: "table-added", Subject: fmt.Sprintf("public.%s%d", strings.Repeat("t", 63), i), From: strings.Repeat("x", 5000), To: strings.Repeat("`", 5000),
			Severity: compare.Warn, Message: strings.Repeat("m", 5000), Do: strings.Repeat("d", 5000),
		})
		v.Commits = append(v.Commits, compare.Commit{Hash: id("a")[7:47], Subject: strings.Repeat("s", 500), Author: "a"})
		v.Areas[1].Missing = append(v.Areas[1].Missing, fmt.Sprintf("table %d", i))
	}
	v.Findings[2].From = strings.Repeat("5", 5<<20)
	for f, limit := range map[Format]int{Text: 4 << 20, Markdown: SummaryLimit, HTML: 24 << 20} {
		if n := len(render(t, f, Comparison(v), Options{Width: 100})); n > limit {
			t.Errorf("%s has %d bytes", f, n)
		}
	}
	comment := string(render(t, Markdown, Comparison(v), Options{Limit: 60_000}))
	if len(comment) > 60_000 || !strings.Contains(comment, "not ready to promote") || !strings.Contains(comment, "What blocks") || !strings.Contains(comment, "| area |") {
		t.Errorf("%d bytes: %.500s", len(comment), comment)
	}
	if strings.Count(comment, "<details>") != strings.Count(comment, "</details>") {
		t.Error("a fold is left open")
	}
}

// Whatever an environment holds, no form of the comparison obeys it.
func FuzzComparison(f *testing.F) {
	f.Add("::error file=x::y", "##[group]z")
	f.Add("\x1b]0;title\x07", "\u009b31m\u202e")
	f.Add("</style><script>alert(1)</script>", "\"'><img src=x>")
	f.Add("a|b\n# c `d` @ops", "\xff\xfe\x00")
	f.Add("{{template \"style\"}}", "${{ secrets.X }}")
	f.Fuzz(func(t *testing.T, a, b string) {
		v := sampleComparisons()["not-ready"]
		v.Why, v.LogPath, v.From.Environment, v.To.Environment, v.To.Project, v.From.Missing = a, b, a, b, a, b
		v.Blocking[0].Title, v.Blocking[0].Why, v.Blocking[0].Do = a, b, a
		for i := range v.Objectives {
			v.Objectives[i].Title, v.Objectives[i].Why, v.Objectives[i].Do = b, a, b
		}
		for i := range v.Findings {
			v.Findings[i].Kind, v.Findings[i].Subject, v.Findings[i].From, v.Findings[i].To = a, b, a, b
			v.Findings[i].Message, v.Findings[i].Do, v.Findings[i].Hazards = a, b, []compare.Hazard{compare.Hazard(a)}
		}
		v.Findings[3].Accepted = &compare.Acceptance{Finding: a, Reason: b}
		for i := range v.Services {
			v.Services[i].Service, v.Services[i].Direction = a, compare.Direction(b)
			v.Services[i].From = compare.Version{Version: a, Revision: b, Image: a, ImageID: b}
		}
		v.Commits[0] = compare.Commit{Hash: a, Subject: b, Author: a}
		v.Areas[1].Missing, v.Expired = []string{a, b}, []compare.Acceptance{{Finding: a, Reason: b}}
		v.Rehearsal.Error, v.Rehearsal.Left = a, []string{b}
		for _, format := range []Format{Text, Markdown, JSON, HTML} {
			out, err := Render(format, Comparison(v), Options{Width: 80})
			if err != nil {
				t.Fatal(err)
			}
			if !utf8.Valid(out) || bytes.Contains(out, []byte("##[")) {
				t.Fatalf("%s: %q", format, out)
			}
			for line := range strings.Lines(string(out)) {
				line = strings.TrimSuffix(line, "\n")
				for _, r := range line {
					if unicode.IsControl(r) || r == '\u202e' {
						t.Fatalf("%s: %U in %q", format, r, line)
					}
				}
				if strings.HasPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::") {
					t.Fatalf("%s: a command: %q", format, line)
				}
			}
		}
		page, _ := Render(HTML, Comparison(v), Options{})
		if bytes.Contains(page, []byte("<script")) || bytes.Contains(page, []byte("<img")) || bytes.Count(page, []byte("</style>")) != 1 {
			t.Fatalf("HTML lets markup through: %q", page)
		}
		if doc, _ := Render(JSON, Comparison(v), Options{}); !json.Valid(doc) {
			t.Fatalf("not JSON: %q", doc)
		}
	})
}
