package redact

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestString(t *testing.T) {
	var r Redactor
	r.Add("hunter2-secret", "short", "-----BEGIN KEY-----\r\n  bGluZSBvbmU=  \nabc\n-----END KEY-----\n", `quo"te\d-word`, "p@ss/wörd 1", "overlap", "lapping-one")
	for in, want := range map[string]string{
		"nothing here":                             "nothing here",
		"a hunter2-secret b":                       "a *** b",
		"hunter2-secrethunter2-secret":             "******",
		"short words stay":                         "short words stay",
		"key: bGluZSBvbmU= abc":                    "key: *** abc",
		`{"key":"bGluZSBvbmU=\nabc"}`:              `{"key":"***\nabc"}`,
		`{"p":"quo\"te\\d-word"}`:                  `{"p":"***"}`,
		"postgres://u:p%40ss%2Fw%C3%B6rd%201@db/x": "postgres://u:***@db/x",
		"?password=p%40ss%2Fw%C3%B6rd+1&x":         "?password=***&x",
		"overlapping-one of two":                   "*** of two",
		"overlap":                                  "***",
		"hunter2-secre":                            "hunter2-secre",
	} {
		if got := r.String(in); got != want {
			t.Errorf("String(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestZeroValue(t *testing.T) {
	var r Redactor
	if got := r.String("as it was"); got != "as it was" {
		t.Errorf("got %q", got)
	}
	var b bytes.Buffer
	w := r.Writer(&b)
	fmt.Fprint(w, "as it was")
	if b.String() != "as it was" {
		t.Errorf("an empty redactor held back: %q came through", b.String())
	}
}

func TestWriterHoldsBackLittle(t *testing.T) {
	var r Redactor
	r.Add("abcdefgh")
	var b bytes.Buffer
	w := r.Writer(&b)
	for _, c := range []struct{ in, want string }{
		{"x abc", "x "}, {"x", "x abcx"}, {"abcdefg", "x abcx"}, {"\n", "x abcxabcdefg\n"}, {"abcdefgh", "x abcxabcdefg\n***"},
	} {
		fmt.Fprint(w, c.in)
		if b.String() != c.want {
			t.Errorf("after %q: %q, want %q", c.in, b.String(), c.want)
		}
	}
	// A secret that repeats without end neither grows the buffer nor shows.
	r.Add("zzzzzzzz")
	for range 1000 {
		fmt.Fprint(w, "zzzz")
		if len(w.buffer) > 8 {
			t.Fatalf("%d bytes are held back", len(w.buffer))
		}
	}
	if err := w.Close(); err != nil || strings.Contains(b.String(), "z") {
		t.Errorf("%v, %q", err, b.String())
	}
}

// Any way to cut a text into writes gives what String gives.
func TestSplitWrites(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	for range 3000 {
		var r Redactor
		for range 1 + rnd.Intn(3) {
			r.Add(letters(rnd, Shortest+rnd.Intn(4)))
		}
		text := letters(rnd, 200)
		check(t, &r, text, func(rest int) int { return 1 + rnd.Intn(min(rest, 12)) })
	}
}

func letters(rnd *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "aaab\n"[rnd.Intn(5)]
	}
	return string(b)
}

func check(t *testing.T, r *Redactor, text string, size func(rest int) int) {
	t.Helper()
	var b bytes.Buffer
	w := r.Writer(&b)
	for rest := text; rest != ""; {
		n := size(len(rest))
		fmt.Fprint(w, rest[:n])
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if b.String() != r.String(text) {
		t.Fatalf("patterns %q, text %q:\nsplit %q\nwhole %q", r.patterns, text, b.String(), r.String(text))
	}
}

func FuzzWriter(f *testing.F) {
	f.Add("secret-one", "the secret-one is secret-one", uint8(3))
	f.Add("a\nbcdefgh\nijklmnop", "bcdefghijklmnop", uint8(5))
	f.Fuzz(func(t *testing.T, secret, text string, n uint8) {
		var r Redactor
		r.Add(secret)
		check(t, &r, text, func(rest int) int { return min(rest, int(n%16)+1) })
		for line := range strings.Lines(secret) {
			line = strings.TrimSpace(line)
			if len(line) >= Shortest && !strings.ContainsAny(line, "*\r") && strings.Contains(r.String(text), line) {
				t.Fatalf("%q is in %q", line, r.String(text))
			}
		}
	})
}

func TestErrorsAndConcurrentUse(t *testing.T) {
	broken := errors.New("broken")
	var r Redactor
	w := r.Writer(failing{broken})
	if _, err := fmt.Fprint(w, "x"); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	var b bytes.Buffer
	ok := r.Writer(&b)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			r.Add(fmt.Sprintf("secret-%d", i))
			fmt.Fprintf(ok, "it is secret-%d\n", i)
		})
	}
	group.Wait()
	if strings.Contains(b.String(), "secret-") || strings.Count(b.String(), Mask) != 8 {
		t.Errorf("got %q", b.String())
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
