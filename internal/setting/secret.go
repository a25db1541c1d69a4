package setting

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// commonplace are passwords that everybody knows.
var commonplace = strings.Fields(`password passw0rd secret changeme change-me change_me changeit admin root test testing postgres postgresql
	example default dev development demo guest user letmein qwerty 123456 1234567 12345678 123456789 1234567890 000000 todo
	your-secret your_secret your-secret-key your_secret_key my-secret mysecret supersecret super-secret replace-me replaceme
	insecure placeholder dummy foobar foo bar none null undefined xxx xxxx secretkey secret-key`)

// shortest is the number of bytes below which a secret can be guessed.
const shortest = 8

// weakness says why a secret is none; empty when nothing is known against it. The words give nothing of the value away.
func weakness(name, value string) string {
	lower := strings.ToLower(strings.TrimSpace(value))
	switch {
	case value == "":
		return ""
	case slices.Contains(commonplace, lower):
		return "a commonplace word"
	case lower == strings.ToLower(name):
		return "its own name"
	case strings.Contains(lower, "changeme") || strings.Contains(lower, "change-me") || strings.HasPrefix(lower, "your-") || strings.HasPrefix(lower, "your_") || strings.HasPrefix(lower, "<") && strings.HasSuffix(lower, ">"):
		return "a placeholder"
	case len(value) < shortest:
		return fmt.Sprintf("shorter than %d characters", shortest)
	case strings.Trim(value, value[:1]) == "":
		return "one character, repeated"
	}
	return ""
}

var (
	// inConnection finds the password in PostgreSQL's key=value form: quoted, or up to the next blank.
	inConnection = regexp.MustCompile(`(?i)\b(password|passwd|pwd)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s;]+)`)
	// inQuery are parameters of a URL that are secrets.
	inQuery = regexp.MustCompile(`(?i)^(password|passwd|pwd|secret|token|access_token|api_?key|key|sig|signature|auth|sslpassword)$`)
)

// hidden stands where a secret was.
const hidden = "***"

// withoutPassword takes the secrets out of a URL or of a connection string. Several are joined.
func withoutPassword(value string) (rest, password string, found bool) {
	if isURL(value) {
		return urlWithoutPassword(value)
	}
	if m := inConnection.FindStringSubmatch(value); m != nil {
		return inConnection.ReplaceAllString(value, "${1}="+hidden), strings.Trim(m[2], "'"), true
	}
	return value, "", false
}

func urlWithoutPassword(value string) (rest, password string, found bool) {
	u, err := url.Parse(value)
	if err != nil {
		return hidden, value, true // whatever it is, it may hold one
	}
	var secrets []string
	if u.User != nil {
		name := u.User.Username()
		if p, set := u.User.Password(); set {
			secrets, u.User = append(secrets, p), url.UserPassword(name, hidden)
		} else if looksSecret(name) || secretForm(name) { // https://TOKEN@host
			secrets, u.User = append(secrets, name), url.User(hidden)
		}
	}
	query := u.Query()
	before := len(secrets)
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for i, v := range query[name] {
			if v != "" && (inQuery.MatchString(name) || looksSecret(v) || secretForm(v)) {
				secrets, query[name][i] = append(secrets, v), hidden
			}
		}
	}
	if len(secrets) > before {
		u.RawQuery = query.Encode()
	}
	for part := range strings.SplitSeq(u.Path, "/") { // https://hooks.example.org/services/T0/B0/TOKEN
		if looksSecret(part) || secretForm(part) {
			secrets = append(secrets, part)
			u.Path, u.RawPath = strings.ReplaceAll(u.Path, part, hidden), ""
		}
	}
	if len(secrets) == 0 {
		return value, "", false
	}
	return strings.ReplaceAll(u.String(), "%2A%2A%2A", hidden), strings.Join(secrets, "\n"), true
}
