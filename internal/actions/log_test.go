package actions

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/org/promote-action/internal/actions/runnertest"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/redact"
)

func TestForeignTextCommandsNothing(t *testing.T) {
	var out bytes.Buffer
	log := NewLog(&out, nil)
	for _, line := range []string{
		"::set-output name=outcome::done", "  \t::stop-commands::x", "at 12:00 ##[add-mask]the", "\r::error::no", "\u2028::error::no", "a\n::error::no", "##[group]x", "\u200b##\u200b[error]x",
	} {
		log.Print(line)
		log.Group("name " + line)
		log.Error(Annotation{Title: line, Message: line})
	}
	shown, commands := runnertest.ReadLog(t, out.String())
	for _, c := range commands {
		if c.Name != "group" && c.Name != "endgroup" && c.Name != "error" {
			t.Errorf("command %+v", c)
		}
	}
	if len(commands) != 3*8 {
		t.Errorf("%d commands, want a group, its end and an error for each", len(commands))
	}
	if !strings.Contains(shown, "set-output name=outcome") {
		t.Errorf("the text itself is gone:\n%s", shown)
	}
}

func TestMasksComeBeforeWhatTheyHide(t *testing.T) {
	var out bytes.Buffer
	log := NewLog(&out, nil)
	log.Mask("correct horse\n}\n  battery staple  \n")
	log.Mask("50%,:secret")
	log.Mask("correct horse")
	log.Mask("abc")
	log.Print("correct horse and battery staple and 50%,:secret and abc")
	shown, _ := runnertest.ReadLog(t, out.String())
	if shown != "*** and *** and *** and abc\n" {
		t.Errorf("shown: %s", shown)
	}
	if n := strings.Count(out.String(), "::add-mask::"); n != 3 {
		t.Errorf("%d masks, want 3:\n%s", n, out.String())
	}
}

func TestTheLogHidesSecretsItself(t *testing.T) {
	var out bytes.Buffer
	var secrets redact.Redactor
	secrets.Add("hunter2-hunter2")
	log := NewLog(&out, secrets.String)
	w := log.Writer()
	for _, part := range []string{"the password hunter2", "-hunter2 is", " wrong\nand hunter2-", "hunter2"} {
		if _, err := w.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	log.Group("hunter2-hunter2")
	log.Error(Annotation{Title: "hunter2-hunter2", Message: "x\nhunter2-hunter2"})
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("shown:\n%s", out.String())
	}
}

func TestAnnotation(t *testing.T) {
	var out bytes.Buffer
	log := NewLog(&out, nil)
	log.Error(Annotation{Title: "a, b: c", File: ".github/promote.yml", Line: 3, Column: 7, Message: "50% of it\nNext: promote recover"})
	_, commands := runnertest.ReadLog(t, out.String())
	c := commands[0]
	if c.Properties["title"] != "a, b: c" || c.Properties["file"] != ".github/promote.yml" || c.Properties["line"] != "3" || c.Properties["col"] != "7" || c.Data != "50% of it\nNext: promote recover" {
		t.Errorf("%+v from %s", c, out.String())
	}
	out.Reset()
	log.Error(Annotation{Message: strings.Repeat("ä", 10_000)})
	_, commands = runnertest.ReadLog(t, out.String())
	if n := len([]rune(commands[0].Data)); n != 4096 {
		t.Errorf("%d characters", n)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestALogThatCannotBeWrittenStopsNothing(t *testing.T) {
	log := NewLog(brokenPipe{}, nil)
	w := log.Writer()
	if n, err := w.Write([]byte("a\n")); n != 2 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	log.Group("x")
	if log.Err() == nil || w.Close() == nil {
		t.Error("the error is nowhere")
	}
}

func TestLinesOfManyStayWhole(t *testing.T) {
	var out bytes.Buffer
	log := NewLog(&out, nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			w := log.Writer()
			for range 100 {
				_, _ = w.Write([]byte("abc"))
				_, _ = w.Write([]byte("def\n"))
			}
		})
	}
	all.Wait()
	if out.String() != strings.Repeat("abcdef\n", 800) {
		t.Error("lines were torn")
	}
}

func TestViewFoldsPhasesAndShowsHowTheyEnded(t *testing.T) {
	var out bytes.Buffer
	log := NewLog(&out, nil)
	v := NewView(log)
	started := func(p promotion.Phase) { v.Event(promotion.Event{Type: promotion.PhaseStarted, Phase: p}) }
	started(promotion.Deploy)
	v.Event(promotion.Event{Type: promotion.StepStarted, Phase: promotion.Deploy, Step: "start", Message: "start api"})
	v.Event(promotion.Event{Type: promotion.StepEnded, Phase: promotion.Deploy, Step: "start", Message: "::error::boo", Status: promotion.Fail, Took: 500})
	v.Event(promotion.Event{Type: promotion.PhaseEnded, Phase: promotion.Deploy, Status: promotion.Fail, Took: 1200})
	started(promotion.Rollback)
	v.Note("warning", "slow")
	v.Event(promotion.Event{Type: promotion.PhaseEnded, Phase: promotion.Rollback, Status: promotion.Pass, Took: 800})
	started(promotion.Verify) // and nothing more: the caller was cut off
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	want := `::group::deploy
deploy: started
deploy: ✗ start api (0.5s): ::error::boo
::endgroup::
deploy: ✗ ended in 1.2s
::group::rollback
rollback: started
warning: slow
::endgroup::
rollback: ↺ ended in 0.8s
::group::verify
verify: started
::endgroup::
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
	runnertest.ReadLog(t, out.String())
}

func FuzzHarmless(f *testing.F) {
	for _, seed := range []string{"", "::error::x", " \u00a0::a::b", "##[error]x", "###[[]", "##\u200b[a]", "\ufeff::error::x", "x\r::error::y\n##[z]", ":\u200b:a::", "\xff::a::b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line := Harmless(s)
		if c, is := runnertest.ReadCommand(line); is {
			t.Fatalf("%q became %q: command %+v", s, line, c)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) }) {
			t.Fatalf("%q became %q", s, line)
		}
		var out bytes.Buffer
		log := NewLog(&out, nil)
		log.Print(s)
		log.Group(s)
		log.Error(Annotation{Title: s, File: s, Line: 1, Message: s})
		_, commands := runnertest.ReadLog(t, out.String())
		if len(commands) != 3 {
			t.Fatalf("%q: commands %+v", s, commands)
		}
	})
}
