package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/org/promote-action/internal/promotion"
)

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"plain", "@ops", "a|b", "`x`", "<script>", "##[error]", "::error::x", "1. a", "- a", "#12", "\\", "\\|", "![i](u)", "**b**", "\x1b[2J", "\u202eabc", "a\n\n# b", "&lt;", "~~x~~", "$x$", "&#64;ops"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, got := range []raw{esc(s), code(s), "x " + esc(s)} {
			out := string(got)
			if strings.ContainsAny(out, "\n\r|") || !utf8.ValidString(out) {
				t.Fatalf("%q", out)
			}
			plain := out
			if strings.HasPrefix(out, "`") {
				if strings.Count(out, "`") != 2 {
					t.Fatalf("a code span ends inside: %q", out)
				}
				continue
			}
			plain = strings.TrimSuffix(strings.TrimPrefix(plain, "<code>"), "</code>")
			for i, r := range plain {
				escaped := strings.HasSuffix(plain[:i], `\`) && strings.Count(plain[:i], `\`)-strings.Count(strings.TrimRight(plain[:i], `\`), `\`) == trailing(plain[:i]) && trailing(plain[:i])%2 == 1
				switch {
				case r == '<' || r == '>':
					t.Fatalf("%q in %q", r, out)
				case strings.ContainsRune("`*_[]~$!", r) && !escaped:
					t.Fatalf("%q is not escaped in %q", r, out)
				case r == '@' && !strings.HasPrefix(plain[i+1:], "\u200b"):
					t.Fatalf("a mention in %q", out)
				case unicode.IsControl(r):
					t.Fatalf("%U in %q", r, out)
				}
			}
		}
	})
}

func trailing(s string) int { return len(s) - len(strings.TrimRight(s, `\`)) }

func FuzzFence(f *testing.F) {
	f.Add("```\nout", 5)
	f.Add("a\n``````\n::stop-commands::x\n##[group]", 50)
	f.Add("   ````", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(1, limit%100)
		sec := &section{}
		sec.fence([]string{s}, limit)
		lines := strings.Split(strings.TrimRight(sec.bytes(), "\n"), "\n")
		if len(lines) < 2 {
			return
		}
		fence := lines[len(lines)-1]
		if strings.Trim(fence, "`") != "" || len(fence) < 3 || lines[0] != fence+"text" {
			t.Fatalf("%q", lines)
		}
		for _, l := range lines[1 : len(lines)-1] {
			if strings.Contains(l, fence) || strings.Contains(l, "##[") || strings.HasPrefix(strings.TrimLeftFunc(l, unicode.IsSpace), "::") {
				t.Fatalf("%q", l)
			}
		}
	})
}

// Whatever a service writes into a result, no form of the report obeys it.
func FuzzReports(f *testing.F) {
	f.Add("::error file=x::y", "##[group]z")
	f.Add("\x1b]0;title\x07", "\u009b31m\u202e")
	f.Add("]]>&<script>alert(1)</script>", "\"'><img src=x>")
	f.Add("\xff\xfe", "\x00")
	f.Fuzz(func(t *testing.T, a, b string) {
		r := sampleResults()["rollback-failed"]
		r.Reason, r.By, r.Release, r.To, r.Commit = a, b, a, b, a
		r.Left, r.Kept, r.Next, r.Warnings, r.Rollback = []string{a, b}, []string{b}, []string{a}, []string{b}, []string{a}
		r.Failure = &promotion.Failure{Phase: promotion.Phase(a), Step: b, Message: a, Service: b, Health: []string{a}, Log: []string{b}, Hint: a}
		r.Proof = &promotion.Proof{Of: a, Items: []promotion.ProofItem{{Area: a, Name: b, Want: a, Got: b, Reason: a}}}
		r.Checks = []promotion.Check{{Category: a, Name: b, Service: a, Status: promotion.Fail, Message: b, Hint: a, Detail: []string{b}}}
		r.Phases[4].Steps[1].Message, r.Phases[4].Reason = a, b
		p := samplePlan()
		p.Release.Subject, p.Release.Author, p.Warnings, p.Changes[0].Reason, p.Changes[0].FromName = a, b, []string{a}, b, a
		v := Result(r, &p)
		for _, format := range []Format{Text, Markdown, JSON, JUnit, HTML} {
			out, err := Render(format, v, Options{Width: 80})
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
		out, _ := Render(JSON, v, Options{})
		if !json.Valid(out) {
			t.Fatalf("not JSON: %q", out)
		}
		out, _ = Render(JUnit, v, Options{})
		for d := xml.NewDecoder(bytes.NewReader(out)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("not XML: %v", err)
			}
		}
		out, _ = Render(HTML, v, Options{})
		if bytes.Contains(out, []byte("<script")) || bytes.Contains(out, []byte("<img")) {
			t.Fatalf("HTML lets markup through: %q", out)
		}
	})
}
