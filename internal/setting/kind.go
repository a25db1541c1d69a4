package setting

import (
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Names of settings by what they hold. A secret's word is a whole part of the name, or its end: MONKEY_COUNT holds none.
var (
	secretName = regexp.MustCompile(`(?i)(^|[_.\-])(pass|passwd|password|passphrase|pwd|pgpassword|secrets?|tokens?|credentials?|apikey|(api|access|private|secret|signing|encryption|auth|master|license|session|cookie)[_\-]?key|salt|pepper|dsn|hmac|jwt)\d*($|[_.\-](base|base64|value|key|hash|salt|hex|b64|current|previous|old|new|\d+)$)`)
	secretTail = regexp.MustCompile(`(?i)(password|passwd|passphrase|secret|token|apikey|privatekey|accesskey|secretkey)$`)
	pathName   = regexp.MustCompile(`(?i)(^|[_.\-])(file|path|dir|directory|folder)$`)
	publicName = regexp.MustCompile(`(?i)(^|[_.\-])(commit|sha|sha1|sha256|sha512|digest|revision|rev|version|checksum|etag|build|uuid|guid|trace|image|ref|(gpg|public|publishable)[_\-]?key|key[_\-]?id)($|[_.\-])`)
	portName   = regexp.MustCompile(`(?i)(^|[_.\-]|pg)port$`)
	hostName   = regexp.MustCompile(`(?i)(^|[_.\-]|pg)(host|hostname|domain|server|addr|address|endpoint|upstream)s?$`)

	hostValue = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$`)
	figure    = regexp.MustCompile(`^-?\d+(\.\d+)?\s?(ns|us|µs|ms|s|m|h|d|%|[kKmMgG]?i?[bB]?)?$`)
)

// kind says what a setting is, by its name first, then by its value.
func (r *Reader) kind(name, value string) string {
	switch {
	case r.ruled(name):
		return Secret
	case secretForm(value), holdsSecret(value):
		return Secret
	case pathName.MatchString(name):
		return Path
	case secretByName(name, value):
		return Secret
	case portName.MatchString(name) && isPort(value):
		return Port
	case isFlag(value):
		return Flag
	case figure.MatchString(value):
		return Number
	case isURL(value):
		return URL
	case isConnection(value):
		return Text
	case hostName.MatchString(name) && value != "" && !strings.ContainsAny(value, " /"), isHost(value):
		return Host
	case strings.HasPrefix(value, "/") && !strings.ContainsAny(value, " \n"):
		return Path
	case looksSecret(value) && !publicName.MatchString(name):
		return Secret
	default:
		return Text
	}
}

// secretByName reports whether the name says that it is a secret. A switch under such a name is none, and a connection says
// more than its password, which is taken out of it.
func secretByName(name, value string) bool {
	if publicName.MatchString(name) || !secretName.MatchString(name) && !secretTail.MatchString(name) {
		return false
	}
	return (!isFlag(value) || len(value) == 1) && !isURL(value) && !isConnection(value)
}

// secretForm recognises what is a secret by its form alone: keys of known services, private keys, JSON web tokens.
func secretForm(value string) bool {
	for _, prefix := range []string{
		"ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xapp-", "sk_live_", "sk_test_", "rk_live_", "whsec_", "sk-", "AKIA", "ASIA", "AIza",
		"AGE-SECRET-KEY-", "hvs.", "dop_v1_", "npm_", "pypi-", "SG.", "shpat_",
	} {
		if strings.HasPrefix(value, prefix) && len(value) >= len(prefix)+12 && !strings.ContainsAny(value, " \n/") {
			return true
		}
	}
	return strings.Contains(value, "PRIVATE KEY-----") || strings.HasPrefix(value, "eyJ") && strings.Count(value, ".") == 2 && len(value) > 40
}

var (
	// assigned finds a secret inside a longer text, such as JSON or options of a program.
	assigned = regexp.MustCompile(`(?i)(pass(word|wd|phrase)?|secret|token|api[_\-]?key|private[_\-]?key|access[_\-]?key|credentials?)["']?\s*[:=]\s*["']?[^\s"',}&;]{3,}|\b(bearer|basic)\s+[A-Za-z0-9+/=._\-]{8,}`)
	// inURLs finds the password of one of several URLs.
	inURLs = regexp.MustCompile(`://[^/\s:@,]*:[^/\s@]+@`)
)

// holdsSecret reports whether a text that is not one connection holds a secret somewhere. It is then one altogether.
func holdsSecret(value string) bool {
	if isURL(value) {
		return inURLs.MatchString(value[strings.Index(value, "://")+3:])
	}
	return inURLs.MatchString(value) || assigned.MatchString(value) && !isConnection(value)
}

// The least surprise, in bits for each character, of what is taken for a random word, and its lengths.
const (
	surprise      = 3.4
	shortestWord  = 20
	longestWord   = 512
	digitsOfWord  = 2
	lettersOfWord = 4
)

// looksSecret recognises a random word: long, of one piece, of letters and digits, and as surprising as chance is.
func looksSecret(value string) bool {
	if len(value) < shortestWord || len(value) > longestWord || strings.HasPrefix(value, "/") || strings.HasPrefix(value, "-") || isHost(value) || strings.Contains(strings.TrimRight(value, "="), "=") {
		return false
	}
	digits, letters := 0, 0
	for _, r := range value {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			letters++
		case !strings.ContainsRune("+/=_-.", r):
			return false
		}
	}
	return digits >= digitsOfWord && letters >= lettersOfWord && entropy(value) >= surprise
}

// entropy is Shannon's, in bits for each byte.
func entropy(s string) float64 {
	var counts [256]float64
	for _, b := range []byte(s) {
		counts[b]++
	}
	sum := 0.0
	for _, n := range counts {
		if n > 0 {
			p := n / float64(len(s))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

func isFlag(value string) bool {
	switch strings.ToLower(value) {
	case "true", "false", "on", "off", "yes", "no", "enabled", "disabled", "0", "1":
		return true
	}
	return false
}

func isPort(value string) bool {
	n, err := strconv.Atoi(value)
	return err == nil && n > 0 && n < 1<<16
}

func isURL(value string) bool {
	if !strings.Contains(value, "://") || strings.ContainsAny(value, " \n") {
		return false
	}
	u, err := url.Parse(value)
	return err != nil || u.Scheme != "" && u.Host != ""
}

// isConnection recognises PostgreSQL's other way to write a connection: host=db password=…
func isConnection(value string) bool {
	return inConnection.MatchString(value) && (strings.Contains(value, "host") || strings.Contains(value, "dbname") || strings.Contains(value, "user"))
}

// isHost recognises an address, or a name of several parts, with or without a port.
func isHost(value string) bool {
	if host, port, ok := strings.Cut(value, ":"); ok && isPort(port) {
		value = host
	}
	if _, err := netip.ParseAddr(value); err == nil {
		return true
	}
	if !hostValue.MatchString(value) || len(value) > 253 {
		return false
	}
	last := value[strings.LastIndex(value, ".")+1:]
	if strings.ContainsAny(last, "0123456789") { // a version, or a random word with dots
		return false
	}
	switch strings.ToLower(last) {
	case "json", "yml", "yaml", "conf", "ini", "toml", "xml", "txt", "log", "sock", "sh", "pem", "crt", "key", "sql", "env", "js", "css", "html", "md", "csv":
		return false
	}
	return true
}
