// Package setting says what one setting of a service is: a secret, a host, a port, a switch, plain text. It hides what must
// not be seen: a secret leaves here as a keyed hash only. It is pure.
package setting

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// Kinds of settings.
const (
	Secret = "secret"
	Host   = "host"
	Port   = "port"
	URL    = "url"
	Flag   = "flag"
	Number = "number"
	Path   = "path"
	Text   = "text"
)

// KeySize is the number of bytes of a key that is made for one run; least is the smallest that is accepted.
const (
	KeySize = 32
	least   = 16
)

// Reader turns settings into what may be shown of them. Both sides of a comparison need the same key.
type Reader struct {
	key     []byte
	secret  []*regexp.Regexp // names that are secrets whatever they look like
	service string
}

// NewReader makes a Reader. The patterns are names, KEY or SERVICE.KEY, with * for any run of characters; case does not
// count.
func NewReader(key []byte, secret []string) (*Reader, error) {
	if len(key) < least {
		return nil, fmt.Errorf("a key for hashes has %d bytes or more, not %d", least, len(key))
	}
	r := &Reader{key: append([]byte(nil), key...)}
	for _, pattern := range secret {
		r.secret = append(r.secret, regexp.MustCompile("(?is)^"+strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")+"$"))
	}
	return r, nil
}

// Of is the reader of one service's settings.
func (r *Reader) Of(service string) *Reader {
	of := *r
	of.service = service
	return &of
}

// ruled reports whether a pattern says that the name is a secret's.
func (r *Reader) ruled(name string) bool {
	return slices.ContainsFunc(r.secret, func(p *regexp.Regexp) bool {
		return p.MatchString(name) || r.service != "" && p.MatchString(r.service+"."+name)
	})
}

// Fingerprint names the key without giving it away: hashes made with keys of different fingerprints cannot be compared.
func (r *Reader) Fingerprint() string { return r.hash("the key itself", "")[:16] }

// File is the keyed hash of a mounted file, or of the files of a folder.
func (r *Reader) File(content []byte) string { return r.hash("file", string(content)) }

// value is the keyed hash of a value. Equal values have equal hashes whatever they are called.
func (r *Reader) value(v string) string { return r.hash("value", v) }

func (r *Reader) hash(purpose, content string) string {
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(purpose))
	mac.Write([]byte{0})
	mac.Write([]byte(content))
	return hex.EncodeToString(mac.Sum(nil))
}

// longest is the number of bytes of a value that is shown; of a longer one the beginning, and the hash tells the rest.
const longest = 4 << 10

// Read is what may be known of one setting. A URL or connection string with a password gives two: itself with *** in the
// password's place, and the password as NAME#password.
func (r *Reader) Read(name, value string) []snapshot.Variable {
	kind := r.kind(name, value)
	if kind == Secret {
		return []snapshot.Variable{{Name: name, Kind: Secret, Secret: true, Empty: value == "", Hash: r.value(value), Weak: weakness(name, value)}}
	}
	rest, password, found := withoutPassword(value)
	v := snapshot.Variable{Name: name, Kind: kind, Value: rest, Empty: value == "", Hash: r.value(rest)}
	if len(rest) > longest {
		v.Value = strings.ToValidUTF8(rest[:longest], "") + "…"
	}
	if !found {
		return []snapshot.Variable{v}
	}
	return []snapshot.Variable{v, {Name: name + "#password", Kind: Secret, Secret: true, Empty: password == "", Hash: r.value(password), Weak: weakness(name, password)}}
}

// Words are a command line, in which a few letters of a hash stand for each secret: a comparison still sees a change.
func (r *Reader) Words(words []string) []string {
	out := make([]string, len(words))
	option := "" // whose value is the next word
	for i, word := range words {
		name, value, joined := strings.Cut(word, "=")
		switch {
		case option != "" && r.kind(option, word) == Secret, looksSecret(word), secretForm(word), !joined && holdsSecret(word):
			out[i] = r.masked(word)
		case joined && r.kind(strings.TrimLeft(name, "-"), value) == Secret:
			out[i] = name + "=" + r.masked(value)
		default:
			rest, password, found := withoutPassword(word)
			if out[i] = rest; found {
				out[i] = strings.ReplaceAll(rest, hidden, r.masked(password))
			}
			if len(out[i]) > longest {
				out[i] = strings.ToValidUTF8(out[i][:longest], "") + "… " + r.value(word)[:12]
			}
		}
		if option = ""; strings.HasPrefix(word, "-") && !joined {
			option = strings.TrimLeft(word, "-")
		}
	}
	return out
}

func (r *Reader) masked(secret string) string { return hidden + r.value(secret)[:12] }
