package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

const (
	maxName    = 63 // bytes that PostgreSQL keeps of a name
	copyPrefix = "promote."
	maxKind    = 10
	maxID      = 32
)

// CopyName is the name of a copy of db: the same for the same arguments, at most 63 bytes, valid UTF-8, such as
// promote.clone.20260304-050607-42.shop. What does not fit is cut at a rune and told apart by a hash. Kind is a word of
// lower-case letters: clone, failed, restore.
func CopyName(db, kind, id string) string {
	head := copyPrefix + shorten(plain(kind), maxKind) + "." + shorten(plain(id), maxID) + "."
	return head + shorten(strings.ToValidUTF8(db, "_"), maxName-len(head))
}

// IsCopy reports whether CopyName can have made name.
func IsCopy(name string) bool {
	rest, ok := strings.CutPrefix(name, copyPrefix)
	parts := strings.SplitN(rest, ".", 3)
	return ok && len(parts) == 3 && parts[0] != "" && parts[1] != "" && parts[2] != ""
}

// plain replaces what is neither letter, digit nor hyphen.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, s)
	if s == "" {
		return "-"
	}
	return s
}

// shorten cuts s to at most limit bytes, the last nine of them "-" and a hash of the whole.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	hash := hex.EncodeToString(sum[:4])
	keep := max(limit-len(hash)-1, 0)
	for keep > 0 && !utf8.RuneStart(s[keep]) {
		keep--
	}
	out := s[:keep] + "-" + hash
	return out[:min(len(out), limit)]
}

// ident quotes a name for SQL; several are joined by dots.
func ident(names ...string) string { return pgx.Identifier(names).Sanitize() }

// literal quotes a string for SQL under standard_conforming_strings.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
