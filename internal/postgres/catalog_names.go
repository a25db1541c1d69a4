package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// chance is part of a name that a library made of a hash: eight hexadecimal digits or more, of which some are numerals.
var chance = regexp.MustCompile(`(?i)(^|_)[0-9a-f]{8,}(_|$)`)

var numeral = regexp.MustCompile(`[0-9]`)

// generated reports whether a name is one that the server gives, by its ending, or one that a library makes of a hash.
func generated(name, ending string) bool {
	if hash := chance.FindString(name); numeral.MatchString(hash) {
		return true
	}
	i := strings.LastIndex(name, "_"+ending)
	return i > 0 && strings.Trim(name[i+1+len(ending):], "0123456789") == ""
}

// bounded keeps the head of what is longer than the limit, with its length and hash: equal texts stay equal, others
// differ.
func (r *catalogReader) bounded(s string) string {
	if len(s) <= r.limit {
		return s
	}
	return clipped(s, min(r.limit, 1024))
}

// clipped is s or, where that is longer than size bytes, its beginning, length and hash.
func clipped(s string, size int) string {
	if len(s) <= size {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	cut := size
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes, sha256 %s)", s[:cut], len(s), hex.EncodeToString(sum[:]))
}
