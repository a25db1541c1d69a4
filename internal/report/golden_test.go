package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with -update and look at the change\ngot:\n%s", path, got)
	}
}

func render(t *testing.T, f Format, v View, o Options) []byte {
	t.Helper()
	got, err := Render(f, v, o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Render(f, v, o)
	if err != nil || !bytes.Equal(got, again) {
		t.Fatalf("%s: two renderings differ (%v)", f, err)
	}
	if len(got) == 0 || got[len(got)-1] != '\n' {
		t.Fatalf("%s: no line break at the end", f)
	}
	return got
}

func TestGoldens(t *testing.T) {
	p := samplePlan()
	views := map[string]View{
		"plan": Plan(p), "status": Status(sampleStatus()), "history": History(sampleHistory()), "backups": Backups(sampleBackups()),
		"checks":            Checks(ChecksView{Environment: "development", Started: at, Took: 30100, Checks: sampleChecks(), LogPath: "promotion-tests-20260304-050607.log"}),
		"status-unreadable": Status(StatusView{Environment: "staging", Problem: "the engine does not answer"}),
		"history-empty":     History(nil), "backups-empty": Backups(nil), "checks-empty": Checks(ChecksView{Environment: "staging"}),
	}
	for name, r := range sampleResults() {
		views["result-"+name] = Result(r, nil)
	}
	views["result-rolled-back"] = Result(sampleResults()["rolled-back"], &p)
	for name, v := range views {
		golden(t, name+".txt", render(t, Text, v, Options{Width: 100}))
		golden(t, name+".md", render(t, Markdown, v, Options{}))
	}
	for _, name := range []string{"status", "history", "backups", "checks", "result-rolled-back", "plan", "history-empty"} {
		golden(t, name+".json", render(t, JSON, views[name], Options{}))
	}
	for _, name := range []string{"checks", "result-rolled-back", "result-done"} {
		golden(t, name+".xml", render(t, JUnit, views[name], Options{}))
	}
	golden(t, "result-rolled-back.html", render(t, HTML, views["result-rolled-back"], Options{}))
	golden(t, "plan-narrow.txt", render(t, Text, views["plan"], Options{Width: 60}))
	golden(t, "result-rolled-back-colour.txt", render(t, Text, views["result-rolled-back"], Options{Width: 100, Style: text.Style{Colour: true}}))
}

// Nothing but a promotion that ended on its release is green, or called a success.
func TestNoOtherOutcomeLooksGood(t *testing.T) {
	for name, r := range sampleResults() {
		first, _, _ := strings.Cut(string(render(t, Text, Result(r, nil), Options{Style: text.Style{Colour: true}})), "\n")
		if green := strings.Contains(first, "\x1b[32m"); green != (r.Outcome == promotion.Done) {
			t.Errorf("%s: the outcome is green: %v: %q", name, green, first)
		}
		for _, f := range []Format{Text, Markdown, HTML, JUnit} {
			out := strings.ToLower(string(render(t, f, Result(r, nil), Options{})))
			if strings.Contains(out, "success") {
				t.Errorf("%s: %s speaks of success", name, f)
			}
			if r.Outcome != promotion.Done && strings.Contains(out, "✅") {
				t.Errorf("%s: %s has a green sign", name, f)
			}
		}
		var suites junitSuites
		if err := xml.Unmarshal(render(t, JUnit, Result(r, nil), Options{}), &suites); err != nil {
			t.Fatal(err)
		}
		if bad := suites.Failures+suites.Errors > 0; bad == (r.Outcome == promotion.Done || r.Outcome == promotion.Restored) {
			t.Errorf("%s: JUnit has %d failures and %d errors", name, suites.Failures, suites.Errors)
		}
	}
}

// A proof that lies about itself, or of nothing, is not believed.
func TestProofIsCounted(t *testing.T) {
	r := sampleResults()["rolled-back"]
	for name, p := range map[string]*promotion.Proof{
		"empty": {Of: "restore point", Equal: true}, "lying": {Of: "restore point", Equal: true, Items: []promotion.ProofItem{{Area: "rows", Name: "shop"}}},
	} {
		r.Proof = p
		out := string(render(t, Text, Result(r, nil), Options{}))
		if !strings.Contains(out, "this is not proved") {
			t.Errorf("%s proof was believed:\n%s", name, out)
		}
	}
}

func TestJSONDocuments(t *testing.T) {
	var doc struct {
		Schema string
		Counts promotion.Counts
	}
	if err := json.Unmarshal(render(t, JSON, Checks(ChecksView{Checks: sampleChecks()}), Options{}), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != ChecksSchema || doc.Counts != (promotion.Counts{Pass: 1, Warn: 1, Fail: 1, Skip: 1, Error: 1}) {
		t.Errorf("got %+v", doc)
	}
	r := sampleResults()["refused"]
	var back promotion.Result
	if err := json.Unmarshal(render(t, JSON, Result(r, nil), Options{}), &back); err != nil {
		t.Fatal(err)
	}
	if back.Schema != ResultSchema || back.Checks[1].Detail[1] != r.Checks[1].Detail[1] {
		t.Errorf("a text did not come back as it was: %q", back.Checks[1].Detail)
	}
}

func TestFormats(t *testing.T) {
	if f, err := ParseFormat(""); f != Text || err != nil {
		t.Errorf("got %q, %v", f, err)
	}
	_, err := ParseFormat("yaml")
	if !errors.Is(err, ErrFormat) {
		t.Errorf("got %v", err)
	}
	if got, want := Error(err, text.Style{}), "error: unknown format \"yaml\"\nhint: accepted are text, json, markdown, junit, html\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	_, err = Render(JUnit, Plan(samplePlan()), Options{})
	if got, want := Error(err, text.Style{}), "error: a plan has no format \"junit\"\nhint: accepted are text, json, markdown\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Error(errors.Join(errors.New("a: b"), errors.New("c\x1b[2J")), text.Style{}); got != "error: a: b\n       c·[2J\n" {
		t.Errorf("got %q", got)
	}
	if Error(nil, text.Style{}) != "" {
		t.Error("no error has a text")
	}
}

func TestMarkdownIsCutAtSections(t *testing.T) {
	r := sampleResults()["rolled-back"]
	for range 1500 {
		r.Checks = append(r.Checks, promotion.Check{Category: "api", Name: strings.Repeat("n", 300), Status: promotion.Fail, Message: strings.Repeat("`", 5000), Detail: []string{strings.Repeat("`", 9000)}})
		r.Failure.Log = append(r.Failure.Log, strings.Repeat("l", 4000))
	}
	p := samplePlan()
	whole := render(t, Markdown, Result(r, &p), Options{})
	if len(whole) > SummaryLimit || !bytes.Contains(whole, []byte("Left out here for their size: checks that did not pass")) {
		t.Errorf("%d bytes, and: %.200s", len(whole), whole[len(whole)-200:])
	}
	for _, limit := range []int{2000, 20000} {
		got := string(render(t, Markdown, Result(r, &p), Options{Limit: limit}))
		if len(got) > limit {
			t.Errorf("%d bytes, allowed %d", len(got), limit)
		}
		if strings.Count(got, "<details>") != strings.Count(got, "</details>") {
			t.Errorf("limit %d: a fold is left open", limit)
		}
		if !strings.Contains(got, "failed and rolled back") {
			t.Errorf("limit %d: the outcome is gone", limit)
		}
	}
	for _, f := range []Format{Text, HTML, JUnit} {
		if n := len(render(t, f, Result(r, &p), Options{Width: 100})); n > 40<<20 {
			t.Errorf("%s has %d bytes", f, n)
		}
	}
}
