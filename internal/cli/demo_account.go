package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// demoAccount is the document of promote demo.
type demoAccount struct {
	Schema    string            `json:"schema"`  // promote.demo/1
	Outcome   string            `json:"outcome"` // shown, or failed
	Reason    string            `json:"reason,omitempty"`
	Fault     string            `json:"fault"`
	Plan      *plan.Plan        `json:"plan,omitempty"`
	Promotion *promotion.Result `json:"promotion,omitempty"`
	Rollback  *promotion.Result `json:"rollback,omitempty"`
	Before    demo.Look         `json:"staging_before"` // the broken release, as its users see it
	After     demo.Look         `json:"staging_after"`
	Unchanged bool              `json:"staging_unchanged"`
	Took      demoTimes         `json:"seconds"`
	Files     string            `json:"files,omitempty"`
	URLs      []demoURL         `json:"urls,omitempty"`
	Next      []string          `json:"next,omitempty"`
	Notes     []string          `json:"notes,omitempty"`
}

// demoTimes are seconds.
type demoTimes struct {
	Images       float64 `json:"images"`
	Environments float64 `json:"environments"`
	Plan         float64 `json:"plan"`
	Promotion    float64 `json:"promotion"`
	Broken       float64 `json:"broken"`
	Rollback     float64 `json:"rollback"`
	Remove       float64 `json:"remove,omitempty"`
	Total        float64 `json:"total"`
}

type demoURL struct {
	Environment string `json:"environment"`
	Service     string `json:"service"`
	URL         string `json:"url"`
}

func (d *demoAccount) results() []*promotion.Result {
	var out []*promotion.Result
	for _, res := range []*promotion.Result{d.Promotion, d.Rollback} {
		if res != nil {
			out = append(out, res)
		}
	}
	return out
}

// tell prints the account; failed is the reason why the demo did not show what it should.
func (r *demoRun) tell(failed error) error {
	d := &r.account
	d.Schema, d.Outcome, d.Fault, d.Files = "promote.demo/1", "shown", r.o.fault, r.dir
	d.Took.Total = seconds(time.Since(r.started))
	if failed != nil {
		d.Outcome, d.Reason = "failed", failed.Error()
	}
	if err := r.app.document(d, r.text(failed)); err != nil {
		return err
	}
	if failed != nil {
		r.app.complain(failed)
		return &ExitError{1}
	}
	return nil
}

func (r *demoRun) text(failed error) string {
	kind := r.app.kind()
	if r.app.output != "" {
		kind.Style = text.Style{}
	}
	var b strings.Builder
	line := func(indent int, spans ...text.Span) {
		for _, l := range kind.Style.Wrapped(kind.Width(), indent, spans...) {
			b.WriteString(l + "\n")
		}
	}
	b.WriteString("\n")
	line(0, text.S(text.Strong, "the demo in short"))
	if res := r.account.Promotion; res != nil {
		mark := text.S(text.Bad, "✗ ")
		if res.Outcome == promotion.Done {
			mark = text.S(text.Good, "✓ ")
		}
		line(2, mark, text.S(text.Plain, fmt.Sprintf("release 2: %s in %s, staging was down for %s", words(*res), took(*res), text.Took(res.Downtime.Time()))))
		r.paths(line, *res)
	}
	if res := r.account.Rollback; res != nil {
		mark := text.S(text.Bad, "✗ ")
		if res.Outcome == promotion.RolledBack {
			mark = text.S(text.Caution, "↺ ")
		}
		line(2, mark, text.S(text.Plain, fmt.Sprintf("release %s: %s in %s, staging was down for %s", r.broken().Tag(), words(*res), took(*res), text.Took(res.Downtime.Time()))))
		if f := res.Failure; f != nil {
			line(4, text.S(text.Faint, "why      "), text.S(text.Plain, f.Message))
		}
		if res.Proof != nil && res.Proof.Holds() {
			line(4, text.S(text.Faint, "proof    "), text.S(text.Plain, fmt.Sprintf("%d of %d items of staging are what they were", len(res.Proof.Items), len(res.Proof.Items))))
		}
		if r.account.Unchanged {
			line(4, text.S(text.Faint, "witness  "), text.S(text.Plain, fmt.Sprintf("the shop itself, asked before and after: same images, version %s, %d orders", r.account.After.Versions["api"], r.account.After.Orders)))
		}
		r.paths(line, *res)
	}
	r.textEnd(line)
	if failed == nil {
		line(0, text.S(text.Good, fmt.Sprintf("shown in %s", text.Took(time.Since(r.started)))))
	}
	return b.String()
}

// words is the outcome in words.
func words(res promotion.Result) string {
	switch res.Outcome {
	case promotion.Done:
		return "promoted"
	case promotion.RolledBack:
		return "failed and rolled back"
	default:
		return string(res.Outcome)
	}
}

func took(res promotion.Result) string { return text.Took(res.Ended.Sub(res.Started)) }

func (r *demoRun) paths(line func(int, ...text.Span), res promotion.Result) {
	for _, p := range [][2]string{{"log      ", res.LogPath}, {"report   ", res.ReportPath}, {"backup   ", res.BackupPath}} {
		if p[1] != "" {
			line(4, text.S(text.Faint, p[0]), text.S(text.Plain, p[1]))
		}
	}
}

// textEnd says what is left and what can be done with it.
func (r *demoRun) textEnd(line func(int, ...text.Span)) {
	for _, note := range r.account.Notes {
		line(2, text.S(text.Faint, "note: "), text.S(text.Plain, note))
	}
	if len(r.account.Next) == 0 {
		words := "both environments and all that the promotions made are removed"
		if _, err := os.Stat(r.dir); err == nil {
			words += "; log, report and backup stay in " + r.dir
		}
		line(2, text.S(text.Plain, words))
		return
	}
	line(0, text.S(text.Strong, "both environments are running"))
	for _, u := range r.account.URLs {
		line(2, text.S(text.Plain, text.Pad(u.Environment, 12)+text.Pad(u.Service, 8)), text.S(text.Plain, u.URL))
	}
	line(0, text.S(text.Strong, "to try next"))
	for _, n := range r.account.Next {
		line(2, text.S(text.Accent, n))
	}
}
