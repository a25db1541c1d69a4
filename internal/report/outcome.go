package report

import (
	"strings"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// account is an outcome in words: one sentence that says what the target is now. Only what ended as it was meant to is Good.
type account struct {
	mark     string
	emoji    raw
	kind     text.Kind
	sentence string
}

func accountOf(r promotion.Result) account {
	release := "the release"
	if r.Release != "" {
		release = "release " + r.Release
	}
	proved := r.Proof != nil && holds(r.Proof)
	switch r.Outcome {
	case promotion.Done:
		return done(r, release)
	case promotion.Restored:
		return account{"↺", "↩️", text.Caution, "rolled back as asked: " + r.To + " is back at " + point(r) + unless(proved, "; this is not proved")}
	case promotion.RolledBack:
		return account{"↺", "↩️", text.Caution, "failed and rolled back: " + release + " is not on " + r.To + ", which is back at " + point(r) + unless(proved, "; this is not proved")}
	case promotion.RollbackFailed:
		return account{"✗", "🚨", text.Bad, "failed, and the rollback did not finish: " + r.To + " needs a person now"}
	case promotion.Accepted:
		return account{"✓", "🖐️", text.Caution, "closed: " + r.To + " was put right by hand, as a person says"}
	case promotion.Unknown:
		return account{"?", "❔", text.Bad, "it cannot be read how this promotion of " + r.To + " ended"}
	case promotion.Refused:
		return account{"✗", "⛔", text.Bad, "refused: nothing on " + r.To + " was touched"}
	case promotion.Canceled:
		return account{"–", "⏹️", text.Caution, "cancelled before anything on " + r.To + " was touched"}
	case promotion.Locked:
		return account{"✗", "🔒", text.Bad, "refused: another promotion holds " + r.To}
	case promotion.Inconclusive:
		return account{"?", "❔", text.Caution, "inconclusive: the policy stops here, and nothing on " + r.To + " was touched"}
	case promotion.Running:
		return account{"…", "⏳", text.Accent, "not over yet: the promotion of " + release + " goes on at " + r.To}
	default:
		return account{"?", "❔", text.Bad, "ended in a way that this version does not know: " + string(r.Outcome)}
	}
}

// done tells a whole promotion from some of its phases, and both from other commands.
func done(r promotion.Result, release string) account {
	a := account{mark: "✓", emoji: "✅", kind: text.Good}
	passed := map[promotion.Phase]bool{}
	var names []string
	for _, p := range r.Phases {
		if p.Status == promotion.Pass || p.Status == promotion.Warn {
			passed[p.Phase] = true
			names = append(names, string(p.Phase))
		}
	}
	switch {
	case r.Command != "" && r.Command != "run" && r.Command != "recover" && r.Command != "demo":
		a.sentence = "done: " + r.Command + " of " + r.To
	case passed[promotion.Verify]:
		a.sentence = "promoted: " + r.To + " runs " + release
		if r.From != "" {
			a.sentence += " of " + r.From
		}
	case len(names) > 0:
		a.sentence = "done as far as asked: " + strings.Join(names, ", ") + "; the promotion of " + release + " is not over"
	default:
		a.sentence = "done"
	}
	if r.Proof != nil && !holds(r.Proof) {
		a.kind, a.emoji, a.mark = text.Caution, "⚠️", "!"
		a.sentence += "; not all of it is proved"
	}
	return a
}

func point(r promotion.Result) string {
	if r.Proof != nil && r.Proof.Of != "" {
		return r.Proof.Of
	}
	return "its restore point"
}

func unless(ok bool, words string) string {
	if ok {
		return ""
	}
	return words
}

// holds counts again instead of believing the flag.
func holds(p *promotion.Proof) bool {
	counted := *p
	return counted.Holds() && p.Equal
}

// mark is the sign and the meaning of a status.
func mark(s promotion.Status) text.Span {
	switch s {
	case promotion.Pass:
		return text.S(text.Good, "✓")
	case promotion.Warn:
		return text.S(text.Caution, "!")
	case promotion.Fail:
		return text.S(text.Bad, "✗")
	case promotion.Skip:
		return text.S(text.Faint, "–")
	case "":
		return text.S(text.Plain, "·")
	default:
		return text.S(text.Bad, "?")
	}
}

// phaseMark is the sign of a phase; a rollback that went well is no good news.
func phaseMark(p promotion.PhaseResult) text.Span {
	if p.Phase == promotion.Rollback && p.Status == promotion.Pass {
		return text.S(text.Caution, "↺")
	}
	return mark(p.Status)
}

// word is a status in words, of a rollback not as a pass.
func word(p promotion.PhaseResult) string {
	if p.Phase == promotion.Rollback && p.Status == promotion.Pass {
		return "rolled back"
	}
	return string(p.Status)
}
