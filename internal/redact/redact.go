// Package redact keeps secrets out of what people read. A Redactor knows the secrets; its writers replace them by three
// stars, also where one arrives in several writes.
package redact

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Shortest is the length in bytes below which a secret is not masked: masking short words would garble every report and
// tell what they are.
const Shortest = 6

// Mask is what stands for a secret.
const Mask = "***"

// Redactor is a set of secrets. Its zero value is empty and ready; it may be used by several goroutines.
type Redactor struct {
	mu       sync.RWMutex
	patterns map[byte][]string // by first byte, longest first
	longest  int
}

// Add makes secrets known, each also as it appears inside a URL or a JSON text. A secret of several lines is masked line by
// line; lines shorter than Shortest, blanks at their ends not counted, are not masked.
func (r *Redactor) Add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, secret := range secrets {
		for line := range strings.FieldsFuncSeq(secret, func(c rune) bool { return c == '\n' || c == '\r' }) {
			line = strings.TrimSpace(line)
			if len(line) < Shortest {
				continue
			}
			for _, form := range []string{line, url.QueryEscape(line), url.PathEscape(line), url.UserPassword("", line).String()[1:], inJSON(line)} {
				r.add(form)
			}
		}
	}
}

func (r *Redactor) add(pattern string) {
	if r.patterns == nil {
		r.patterns = map[byte][]string{}
	}
	list := r.patterns[pattern[0]]
	if slices.Contains(list, pattern) {
		return
	}
	list = append(slices.Clone(list), pattern)
	slices.SortStableFunc(list, func(a, b string) int { return len(b) - len(a) })
	r.patterns[pattern[0]] = list
	r.longest = max(r.longest, len(pattern))
}

// inJSON is s as it stands between the quotes of a JSON string.
func inJSON(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return s
	}
	text := strings.TrimSuffix(b.String(), "\n")
	return text[1 : len(text)-1]
}

// String is s with every secret masked. Secrets that overlap are masked as one.
func (r *Redactor) String(s string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.longest == 0 {
		return s
	}
	out, _ := r.mask(nil, []byte(s), len(s), 0)
	return string(out)
}

// mask appends text[:cut] to out with its secrets masked. The first covered bytes belong to a secret whose mask was written
// before; it returns how many bytes after cut belong to one whose mask is written now.
func (r *Redactor) mask(out, text []byte, cut, covered int) ([]byte, int) {
	for i := 0; i < cut; i++ {
		if n := r.match(text[i:]); n > 0 {
			if i >= covered {
				out = append(out, Mask...)
			}
			covered = max(covered, i+n)
		}
		if i >= covered {
			out = append(out, text[i])
		}
	}
	return out, max(0, covered-cut)
}

// match is the length of the longest secret that text begins with, 0 for none.
func (r *Redactor) match(text []byte) int {
	for _, p := range r.patterns[text[0]] {
		if len(p) <= len(text) && string(text[:len(p)]) == p {
			return len(p)
		}
	}
	return 0
}

// held is where the end of text begins that may still become a secret with what comes after it.
func (r *Redactor) held(text []byte) int {
	start := len(text) - max(0, min(r.longest-1, len(text)))
	if i := bytes.LastIndexByte(text[start:], '\n'); i >= 0 {
		start += i + 1 // no secret has a line break in it
	}
	for i := start; i < len(text); i++ {
		for _, p := range r.patterns[text[i]] {
			if rest := text[i:]; len(rest) < len(p) && p[:len(rest)] == string(rest) {
				return i
			}
		}
	}
	return len(text)
}
