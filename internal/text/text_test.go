package text

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestWrapAndCut(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  []string
	}{
		{"a few words here", 7, []string{"a few", "words", "here"}},
		{"abcdefghij", 4, []string{"abcd", "efgh", "ij"}},
		{"x abcdefghij y", 4, []string{"x", "abcd", "efgh", "ij y"}},
		{"日本語日本語", 4, []string{"日本", "語日", "本語"}},
		{"fits", 4, []string{"fits"}},
		{"never broken at all", 0, []string{"never broken at all"}},
		{"", 4, []string{""}},
	} {
		if got := Wrap(c.in, c.width); !slices.Equal(got, c.want) {
			t.Errorf("Wrap(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
	if got := Cut("日本語", 4); Width(got) > 4 || !strings.HasSuffix(got, "…") {
		t.Errorf("Cut gave %q", got)
	}
}

func TestFit(t *testing.T) {
	on := Style{Colour: true}
	for width := 1; width < 14; width++ {
		plain := Style{}.Fit(width, S(Good, "abcd"), S(Plain, " "), S(Bad, "efghij"))
		if Width(plain) > width {
			t.Errorf("width %d: %q is wider", width, plain)
		}
		if got := on.Fit(width, S(Good, "abcd"), S(Plain, " "), S(Bad, "efghij")); strings.Count(got, "\x1b[0m") != strings.Count(got, "\x1b[3") {
			t.Errorf("width %d: a colour is left open in %q", width, got)
		}
	}
}

func TestTable(t *testing.T) {
	table := Table{Head: []string{"name", "empty", "size", "note"}, Right: []int{2}, Indent: 2}
	table.Add(S(Plain, "web"), S(Plain, ""), S(Plain, "9 MB"), S(Plain, "a note of some words that has to be wrapped"))
	table.Add(S(Plain, "orders"), S(Plain, ""), S(Plain, "120 MB"))
	want := `  name      size  note
  web       9 MB  a note of
                  some words
                  that has to
                  be wrapped
  orders  120 MB`
	if got := strings.Join(table.Lines(Style{}, 30), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, l := range table.Lines(Style{}, 0) {
		if strings.TrimRight(l, " ") != l {
			t.Errorf("blanks at the end of %q", l)
		}
	}
}

func TestFigures(t *testing.T) {
	for got, want := range map[string]string{
		Took(0): "0s", Took(20 * time.Millisecond): "<0.1s", Took(59960 * time.Millisecond): "1m0s", Took(1234 * time.Millisecond): "1.2s",
		About(300 * time.Millisecond): "<1s", About(9400 * time.Millisecond): "9s",
		Age(90 * time.Minute): "1h30m", Age(72 * time.Hour): "3d", Age(-time.Second): "0s",
		Plural(1, "check"): "1 check", Plural(2, "pass"): "2 passes", Plural(0, "step"): "0 steps",
		Short("sha256:" + strings.Repeat("ab", 32)): "abababababab", Short("shop/web:2"): "shop/web:2",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m", "::error::x")
	f.Add("a##", "[group]b")
	f.Add("x ##[error]y", "")
	f.Add("\xff\xfe\u202e", "\u009b2J")
	f.Add("\u00a0", "::set-output name=x::y")
	f.Add("", "::set-output name=x::y")
	f.Fuzz(func(t *testing.T, a, b string) {
		line := Style{}.Line(S(Plain, a), S(Plain, " "), S(Bad, b))
		if !utf8.ValidString(line) {
			t.Fatalf("not UTF-8: %q", line)
		}
		for _, r := range line {
			if unicode.IsControl(r) || (unicode.Is(unicode.Cf, r) && r != '\u200b') {
				t.Fatalf("%U in %q", r, line)
			}
		}
		if strings.Contains(line, "##[") || strings.HasPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::") {
			t.Fatalf("a command in %q", line)
		}
		if coloured := (Style{Colour: true}).Line(S(Good, a), S(Bad, b)); strings.Contains(coloured, "##[") {
			t.Fatalf("a command in %q", coloured)
		}
	})
}
