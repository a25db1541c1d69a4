package postgres

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCopyName(t *testing.T) {
	if got, want := CopyName("shop", "clone", "20260304-050607-42"), "promote.clone.20260304-050607-42.shop"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	seen := map[string]string{}
	for _, db := range []string{"shop", "shöp", `we"ird`, "", strings.Repeat("a", 63), strings.Repeat("a", 62) + "b", strings.Repeat("ü", 31), strings.Repeat("ü", 30) + "é", strings.Repeat("日本", 10), "a.b.c"} {
		for _, kind := range []string{"clone", "failed", "restored"} {
			for _, id := range []string{"20260304-050607-42", "20260304-050607-" + strings.Repeat("9", 40), "x/y z"} {
				name := CopyName(db, kind, id)
				if len(name) > 63 || !utf8.ValidString(name) {
					t.Errorf("%q: %d bytes, valid %t", name, len(name), utf8.ValidString(name))
				}
				if db != "" && !IsCopy(name) {
					t.Errorf("%q is not taken for a copy", name)
				}
				key := fmt.Sprint(db, kind, id)
				if other, taken := seen[name]; taken {
					t.Errorf("%q names both %s and %s", name, key, other)
				}
				seen[name] = key
			}
		}
	}
	for _, other := range []string{"shop", "promote", "promote.", "promote.a.b", "promote..b.c", "promote.a.b."} {
		if IsCopy(other) {
			t.Errorf("%q is taken for a copy", other)
		}
	}
}

func TestSplitNames(t *testing.T) {
	for in, want := range map[string][]string{
		`"$user", public`:   {"$user", "public"},
		`a,b`:               {"a", "b"},
		`"with ""q"", x",y`: {`with "q", x`, "y"},
		``:                  nil,
		`""`:                {""},
	} {
		if got := splitNames(in); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
