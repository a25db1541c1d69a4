package setting

import (
	"math/rand/v2"
	"strings"
	"testing"
)

var key = []byte("0123456789abcdef0123456789abcdef")

func reader(t testing.TB, patterns ...string) *Reader {
	t.Helper()
	r, err := NewReader(key, patterns)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKinds(t *testing.T) {
	r := reader(t, "x_internal_*")
	for _, c := range []struct{ name, value, kind string }{
		{"POSTGRES_PASSWORD", "hunter2!", Secret},
		{"PGPASSWORD", "a", Secret},
		{"API_KEY", "abc", Secret},
		{"STRIPE_SECRET_KEY", "x", Secret},
		{"JWT_SECRET", "", Secret},
		{"SECRET_KEY_BASE", "zzz", Secret},
		{"RAILS_MASTER_KEY", "q", Secret},
		{"TOKEN", "1", Secret},
		{"githubToken", "abcdefgh", Secret},
		{"X_INTERNAL_THING", "plain", Secret},
		{"ANYTHING", "ghp_0123456789abcdefghij", Secret},
		{"ANYTHING", "-----BEGIN RSA PRIVATE KEY-----\nMII", Secret},
		{"ANYTHING", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", Secret},
		{"ANYTHING", "v9Xk2LmQ8rTz4WbN7cYp3HsD", Secret},
		{"OPTIONS", `{"user":"a","password":"hunter22"}`, Secret},
		{"JAVA_OPTS", "-Xmx1g -Ddb.password=hunter22", Secret},
		{"BROKERS", "amqp://a:hunter2@x:1,amqp://a:hunter2@y:1", Secret},
		{"HEADER", "Authorization: Bearer abcdefghij", Secret},
		{"TOKEN_TTL", "3600", Number},
		{"PASSWORD_MIN_LENGTH", "12", Number},
		{"AUTH_ENABLED", "true", Flag},
		{"SECRETS_ENABLED", "true", Flag},
		{"POSTGRES_PASSWORD_FILE", "/run/secrets/db", Path},
		{"MONKEY_COUNT", "3", Number},
		{"GIT_COMMIT", "3f2a9c10b7d84e5f60718293a4b5c6d7e8f90123", Text},
		{"GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D", Text},
		{"DATABASE_URL", "postgres://u:hunter2@db:5432/shop", URL},
		{"DSN", "host=db user=u password=hunter2 dbname=shop", Text},
		{"PGHOST", "db", Host},
		{"SMTP", "mail.example.org:587", Host},
		{"BIND", "10.0.0.1", Host},
		{"PORT", "8080", Port},
		{"PGPORT", "5432", Port},
		{"PG_VERSION", "15.18", Number},
		{"CONFIG", "settings.yaml", Text},
		{"LOG_LEVEL", "debug", Text},
		{"TIMEOUT", "30s", Number},
		{"MEMORY", "512MiB", Number},
		{"DATA", "/var/lib/data", Path},
		{"OPTION", "logging.max-size=100m", Text},
		{"GREETING", "good morning to all of you, 12 and 13", Text},
		{"EMPTY", "", Text},
	} {
		if got := r.kind(c.name, c.value); got != c.kind {
			t.Errorf("%s=%s is %s, want %s", c.name, c.value, got, c.kind)
		}
	}
}

// Nothing that is a secret is in what leaves, and two equal secrets are seen to be equal under any name.
func TestSecretsStayBehind(t *testing.T) {
	const secret = "hunter2-Zq9x"
	r := reader(t)
	for name, value := range map[string]string{
		"PASSWORD": secret, "DATABASE_URL": "postgres://u:" + secret + "@db/shop?sslmode=disable", "DSN": "host=db password=" + secret + " user=u",
		"QUOTED": "host=db password='" + secret + "' user=u", "HOOK": "https://example.org/hook?token=" + secret, "JSON": `{"token": "` + secret + `"}`,
		"BAD_URL": "http://u:" + secret + "@h:x/%zz", "MANY": "redis://:" + secret + "@a:1 redis://:" + secret + "@b:1",
	} {
		found := false
		for _, v := range r.Read(name, value) {
			if strings.Contains(v.Value, secret) || strings.Contains(v.Name, secret) || strings.Contains(v.Weak, secret) {
				t.Errorf("%s: the secret is in %+v", name, v)
			}
			found = found || v.Secret
		}
		if !found {
			t.Errorf("%s: no secret was seen in it: %+v", name, r.Read(name, value))
		}
		for _, words := range [][]string{{"serve", "--" + name, value}, {"serve", "--" + name + "=" + value}, {value}} {
			if got := strings.Join(r.Words(words), " "); strings.Contains(got, secret) && !(len(words) == 1 && name == "PASSWORD") {
				t.Errorf("%q: the secret is in %q", words, got)
			}
		}
	}
	one, two := r.Read("A_PASSWORD", secret)[0], r.Read("URL", "postgres://u:"+secret+"@db/shop")[1]
	if one.Hash != two.Hash || one.Hash == "" {
		t.Errorf("one password has two hashes: %s, %s", one.Hash, two.Hash)
	}
	other, err := NewReader([]byte("another key, of 16 bytes or more"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if other.Read("A_PASSWORD", secret)[0].Hash == one.Hash || other.Fingerprint() == r.Fingerprint() {
		t.Error("the hash does not depend on the key")
	}
	if strings.Contains(r.Fingerprint(), string(key[:8])) || r.Read("A", "the key itself")[0].Hash[:16] == r.Fingerprint() {
		t.Error("the fingerprint gives something away")
	}
}

// Random words are recognised whatever they are called, and hashes of a value that changed differ.
func TestRandomWords(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	r := reader(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	missed := 0
	for range 1000 {
		var b strings.Builder
		for range 32 + random.IntN(32) {
			b.WriteByte(alphabet[random.IntN(len(alphabet))])
		}
		if v := r.Read("SETTING", b.String())[0]; !v.Secret || v.Value != "" {
			missed++
		}
	}
	if missed > 30 { // those with fewer than two digits
		t.Errorf("%d of 1000 random words were not recognised", missed)
	}
}

func TestWeakSecrets(t *testing.T) {
	r := reader(t)
	for value, weak := range map[string]bool{"": false, "changeme": true, "postgres": true, "short": true, "aaaaaaaaaaaa": true, "<your password>": true, "v9Xk2LmQ8rTz4WbN": false} {
		if got := r.Read("DB_PASSWORD", value)[0].Weak; (got != "") != weak {
			t.Errorf("%q: %q", value, got)
		}
	}
}

func TestLongValuesAreCut(t *testing.T) {
	r := reader(t)
	a, b := strings.Repeat("long text, ", 100_000), strings.Repeat("long text, ", 100_000)+"!"
	if v := r.Read("TEXT", a)[0]; len(v.Value) > longest+8 || v.Hash == r.Read("TEXT", b)[0].Hash {
		t.Errorf("%d bytes", len(v.Value))
	}
	if got := r.Words([]string{a})[0]; len(got) > longest+32 || got == r.Words([]string{b})[0] {
		t.Errorf("%d bytes", len(got))
	}
}

func TestKeys(t *testing.T) {
	if _, err := NewReader([]byte("short"), nil); err == nil {
		t.Error("a short key was accepted")
	}
	r := reader(t, "api.MODE", "[a*")
	for _, c := range []struct {
		service, name string
		secret        bool
	}{{"api", "MODE", true}, {"api", "mode", true}, {"web", "MODE", false}, {"", "MODE", false}, {"web", "[ab", true}, {"web", "ab", false}} {
		if got := r.Of(c.service).Read(c.name, "plain")[0].Secret; got != c.secret {
			t.Errorf("%s of %s: %v", c.name, c.service, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("DATABASE_URL", "postgres://u:p@h/d")
	f.Add("X", "http://a:b@c/%zz?token=x")
	r := reader(f)
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, v := range r.Read(name, value) {
			if v.Secret && v.Value != "" {
				t.Fatalf("%+v", v)
			}
		}
		r.Words([]string{name, value})
	})
}
