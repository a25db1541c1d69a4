package terminal

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the change\ngot:\n%s", path, got)
	}
}

// view is what all three have in common.
type view interface {
	Event(promotion.Event)
	Note(level, words string)
	Wait(what string) func()
	Close() error
}

// play is a promotion that fails in deploy and is rolled back, as it is heard. The target's clock is an hour behind. look is
// called at moments worth looking at.
func play(v view, look func(moment string)) {
	seq := int64(0)
	tell := func(e promotion.Event) {
		seq++
		e.Seq, e.Time = seq, time.Now().Add(-time.Hour)
		v.Event(e)
	}
	phase := func(p promotion.Phase, estimate promotion.Duration, do func()) {
		began := time.Now()
		tell(promotion.Event{Type: promotion.PhaseStarted, Phase: p, Estimate: estimate})
		do()
		e := promotion.Event{Type: promotion.PhaseEnded, Phase: p, Status: promotion.Pass, Took: promotion.Milliseconds(time.Since(began))}
		if p == promotion.Deploy {
			e.Status, e.Message = promotion.Fail, "api cannot become healthy"
			e.Failure = &promotion.Failure{Phase: p, Step: "start-services", Service: "api", Message: "api exited (1)", Log: []string{"panic: boot\nsecond line"}, Health: []string{"starting"}, Hint: "promote logs staging api"}
		}
		tell(e)
	}
	step := func(p promotion.Phase, name, what string, undo bool, status promotion.Status, took time.Duration, during func()) {
		tell(promotion.Event{Type: promotion.StepStarted, Phase: p, Step: name, Message: what, Undo: undo, Estimate: promotion.Milliseconds(took)})
		began := time.Now()
		if during != nil {
			during()
		}
		time.Sleep(took - time.Since(began))
		e := promotion.Event{Type: promotion.StepEnded, Phase: p, Step: name, Status: status, Undo: undo, Took: promotion.Milliseconds(took)}
		if status == promotion.Fail {
			e.Message = "api exited (1)"
		}
		tell(e)
	}

	done := v.Wait("starting the agent at staging")
	time.Sleep(3 * time.Second)
	look("waiting")
	done()
	phase(promotion.Preflight, 0, func() {
		for _, c := range []promotion.Check{
			{Category: "git", Name: "branch", Status: promotion.Pass}, {Category: "disk", Name: "disk", Environment: "staging", Status: promotion.Warn, Message: "2.0 GB are free, 240 MB are needed\x1b[2J"},
		} {
			time.Sleep(300 * time.Millisecond)
			tell(promotion.Event{Type: promotion.CheckEnded, Phase: promotion.Preflight, Check: &c})
		}
	})
	phase(promotion.Test, 0, func() { time.Sleep(500 * time.Millisecond) })
	phase(promotion.Backup, 8000, func() {
		step(promotion.Backup, "hold-images", "hold the 5 images that run now under promote's own tags", false, promotion.Pass, 200*time.Millisecond, nil)
		step(promotion.Backup, "dump-database shop", "dump database shop (120 MB) online and decode the whole dump again", false, promotion.Pass, 14*time.Second, func() {
			for i := range 12 {
				tell(promotion.Event{Type: promotion.StepProgress, Phase: promotion.Backup, Step: "dump-database shop", Done: int64(i+1) * 10_000_000, Total: 120_000_000, Unit: "bytes"})
				time.Sleep(970 * time.Millisecond)
				if i == 6 {
					look("dumping")
				}
			}
		})
	})
	v.Note("info", "the caller may leave now: the target goes on alone")
	phase(promotion.Shutdown, 0, func() {
		step(promotion.Shutdown, "stop-services", "stop web, api, each with its own grace", false, promotion.Pass, 12500*time.Millisecond, func() {
			time.Sleep(time.Second)
			tell(promotion.Event{Type: promotion.StepProgress, Phase: promotion.Shutdown, Step: "stop-services", Message: "waiting for web to end"})
		})
		tell(promotion.Event{Type: promotion.Note, Phase: promotion.Shutdown, Level: "warning", Message: "web ignored its stop signal and was killed after 10s"})
		for i := range 7 {
			step(promotion.Shutdown, fmt.Sprint("fingerprint ", i), fmt.Sprintf("fingerprint the schema and every row of database %d", i), false, promotion.Pass, 100*time.Millisecond, nil)
		}
		look("many steps")
	})
	phase(promotion.Deploy, 0, func() {
		step(promotion.Deploy, "start-services", "start api, web of the new release; db stay as they are", false, promotion.Fail, 4*time.Second, func() {
			tell(promotion.Event{Type: promotion.StepProgress, Phase: promotion.Deploy, Step: "start-services", Message: "api: starting, a long line of what it waits for that no narrow terminal has room for at all"})
			time.Sleep(2500 * time.Millisecond)
			look("deploying")
		})
	})
	phase(promotion.Rollback, 0, func() {
		step(promotion.Rollback, "start-services", "stop and remove the containers of the new release", true, promotion.Pass, 700*time.Millisecond, nil)
	})
	tell(promotion.Event{Type: promotion.Ended, Outcome: promotion.RolledBack})
}

func TestPlain(t *testing.T) {
	for name, timestamps := range map[string]bool{"plain.txt": false, "plain-timestamps.txt": true} {
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			p := NewPlain(&b, 0)
			p.Timestamps = timestamps
			play(p, func(string) {})
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.String())
		})
	}
}

func TestPlainIsQuietAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := NewPlain(&b, time.Second)
		p.Wait("nothing")
		p.Event(promotion.Event{Type: promotion.StepStarted, Step: "x", Message: "x"})
		time.Sleep(time.Second)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if b.Len() > 0 {
			t.Errorf("got %q", b.String())
		}
	})
}

func TestLogFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := NewLogFile(&b, time.Now)
		play(l, func(string) {})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		golden(t, "log.txt", b.String())
	})
	if got := LogName("promotion", time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)); got != "promotion-20260304-050607.log" {
		t.Errorf("got %q", got)
	}
	path := filepath.Join(t.TempDir(), "logs", "promotion.log")
	for range 2 {
		f, err := OpenLog(path)
		if err != nil {
			t.Fatal(err)
		}
		NewLogFile(f, time.Now).Note("info", "one")
		f.Close()
	}
	data, err := os.ReadFile(path)
	if err != nil || strings.Count(string(data), "info    one\n") != 2 {
		t.Errorf("%v: %q", err, data)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	broken := NewLogFile(failing{}, time.Now)
	broken.Note("info", "lost")
	if err := broken.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestLive(t *testing.T) {
	for _, width := range []int{100, 44} {
		synctest.Test(t, func(t *testing.T) {
			s := &screen{t: t, width: width}
			l := NewLive(s, s.cells, time.Now)
			var b strings.Builder
			began := time.Now()
			play(l, func(moment string) {
				time.Sleep(frame)
				synctest.Wait()
				fmt.Fprintf(&b, "=== %s\n%s", moment, s)
			})
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "=== closed\n%s", s)
			golden(t, fmt.Sprintf("live-%d.txt", width), b.String())
			if limit := int(time.Since(began)/frame) + 1; s.writes > limit {
				t.Errorf("%d writes, allowed are %d", s.writes, limit)
			}
			if s.col != 0 {
				t.Errorf("the cursor is left in column %d", s.col)
			}
			after := s.writes
			time.Sleep(time.Second)
			if err := l.Close(); err != nil || s.writes != after {
				t.Error("something was drawn after Close")
			}
		})
	}
}

// A terminal made narrower wraps what was drawn; the next picture still lies over the last.
func TestLiveSurvivesResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &screen{t: t, width: 80}
		l := NewLive(s, s.cells, time.Now)
		l.Note("info", "kept")
		l.Event(promotion.Event{Type: promotion.PhaseStarted, Phase: promotion.Backup, Time: time.Now()})
		l.Event(promotion.Event{Type: promotion.StepStarted, Phase: promotion.Backup, Step: "x", Message: strings.Repeat("word ", 30), Time: time.Now()})
		time.Sleep(time.Second)
		synctest.Wait()
		s.resize(40)
		time.Sleep(time.Second)
		synctest.Wait()
		got := s.String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.Count(got, "backup") != 1 || strings.Count(got, "kept") != 1 {
			t.Errorf("got:\n%s", got)
		}
	})
}

// The promotion goes on at the target when its caller leaves: what is drawn last says so, and nothing looks finished.
func TestLiveClosedInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &screen{t: t, width: 80}
		l := NewLive(s, s.cells, time.Now)
		l.Event(promotion.Event{Type: promotion.PhaseStarted, Phase: promotion.Deploy})
		l.Event(promotion.Event{Type: promotion.StepStarted, Phase: promotion.Deploy, Step: "a", Message: "start api"})
		time.Sleep(time.Second)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got, want := s.String(), "… deploy    its end was not seen\n"; got != want {
			t.Errorf("got:\n%swant:\n%s", got, want)
		}
	})
}

// A caller that comes back hears old events at once: what goes on has its true age.
func TestAgeOfReplayedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &screen{t: t, width: 80}
		l := NewLive(s, s.cells, time.Now)
		target := func(ago time.Duration) time.Time { return time.Now().Add(-7*time.Minute - ago) }
		l.Event(promotion.Event{Seq: 1, Type: promotion.PhaseStarted, Phase: promotion.Deploy, Time: target(95 * time.Second)})
		l.Event(promotion.Event{Seq: 2, Type: promotion.StepStarted, Phase: promotion.Deploy, Step: "a", Message: "start api", Time: target(61 * time.Second)})
		l.Event(promotion.Event{Seq: 3, Type: promotion.StepProgress, Phase: promotion.Deploy, Step: "a", Message: "api: starting", Time: target(0)})
		time.Sleep(frame + time.Millisecond)
		synctest.Wait()
		got := s.String()
		l.Close()
		if !strings.Contains(got, "deploy    1m35s") || !strings.Contains(got, "start api 1m1s") {
			t.Errorf("got:\n%s", got)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	var group sync.WaitGroup
	live := NewLive(io.Discard, func() int { return 80 }, time.Now)
	plain := NewPlain(io.Discard, time.Millisecond)
	log := NewLogFile(io.Discard, time.Now)
	for _, v := range []view{live, plain, log} {
		for range 4 {
			group.Go(func() {
				for i := range 200 {
					done := v.Wait("something")
					v.Event(promotion.Event{Seq: int64(i), Type: promotion.StepStarted, Step: "s", Time: time.Now()})
					v.Event(promotion.Event{Seq: int64(i), Type: promotion.StepProgress, Step: "s", Done: int64(i), Unit: "bytes", Time: time.Now()})
					v.Event(promotion.Event{Seq: int64(i), Type: promotion.StepEnded, Step: "s", Status: promotion.Pass, Time: time.Now()})
					v.Note("info", "note")
					done()
				}
			})
		}
	}
	group.Wait()
	for _, v := range []view{live, plain, log} {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDetect(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	k := Detect(f, func(string) string { return "xterm" })
	if k.Live || k.Style.Colour || k.Width() != 0 {
		t.Errorf("a file is taken for a terminal: %+v", k)
	}
}

// A terminal is what the kernel calls one; the environment can only take abilities away.
func TestDetectTerminal(t *testing.T) {
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminal: %v", err)
	}
	defer ptmx.Close()
	for _, c := range []struct {
		term, noColor string
		live, colour  bool
	}{{"xterm", "", true, true}, {"xterm", "1", true, false}, {"dumb", "", false, false}, {"", "", false, false}} {
		k := Detect(ptmx, func(key string) string { return map[string]string{"TERM": c.term, "NO_COLOR": c.noColor}[key] })
		if k.Live != c.live || k.Style != (text.Style{Colour: c.colour}) || k.Width() <= 0 {
			t.Errorf("TERM=%q NO_COLOR=%q: %+v", c.term, c.noColor, k)
		}
	}
}
