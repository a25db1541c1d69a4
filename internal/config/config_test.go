package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// load writes a configuration into a fresh .github folder and loads it.
func load(t *testing.T, text string, env map[string]string) *Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), DefaultPath)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(path, func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const shop = `
environments:
  development:
    compose: {project: shop-dev, files: [compose.yml], directory: .}
  staging:
    compose: {project: shop-staging, files: [/srv/compose.yml], env_files: [staging.env]}
    database_urls: {audit: "${AUDIT}"}
    databases: {main: {database: shop_staging}}
services:
  api: {critical: false, health: {http: /, port: 8080}, startup_timeout: 10s, checks: [{name: a, http: {path: /a}}]}
databases:
  main: {service: db, database: shop, user: shop}
  audit: {service: db}
checks:
  - {name: b, on: [verify], sql: {database: main, query: SELECT 1}, timeout: 1s}
  - {name: c, environment: development, http: {service: api}, critical: true}
`

const auditURL = "postgres://audit:s3cr3t@db.example.org/audit"

func TestEnvironment(t *testing.T) {
	cfg := load(t, shop, map[string]string{"AUDIT": auditURL})
	dev, stage, err := cfg.Pair("development", "staging")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(cfg.Root, "compose.yml")}; !reflect.DeepEqual(dev.Compose.Files, want) {
		t.Errorf("files %q, want %q", dev.Compose.Files, want)
	}
	if dev.Compose.Directory != cfg.Root || dev.Name != "development" {
		t.Errorf("directory %q, name %q", dev.Compose.Directory, dev.Name)
	}
	if stage.Compose.Files[0] != "/srv/compose.yml" {
		t.Errorf("an absolute path became %q", stage.Compose.Files[0])
	}
	if got, want := *stage.Databases["main"], (Database{Name: "main", Service: "db", Database: "shop_staging", User: "shop"}); got != want {
		t.Errorf("main is %+v, want %+v", got, want)
	}
	if got, want := *stage.Databases["audit"], (Database{Name: "audit", URL: auditURL}); got != want {
		t.Errorf("audit is %+v, want %+v", got, want)
	}
	if dev.Databases["audit"].URL != "" || cfg.Databases["main"].Database != "shop" {
		t.Error("an environment changed the whole configuration")
	}
}

// TestServiceReplacesURL: a database of its own server in one environment may be a service of the stack in another.
func TestServiceReplacesURL(t *testing.T) {
	cfg := load(t, `
environments:
  dev: {compose: {project: dev, files: [x]}, databases: {main: {service: db}}}
  staging: {compose: {project: staging, files: [x]}}
databases: {main: {url: "postgres://db.example.org/shop"}}
`, nil)
	dev, staging, err := cfg.Pair("dev", "staging")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *dev.Databases["main"], (Database{Name: "main", Service: "db"}); got != want {
		t.Errorf("dev: %+v, want %+v", got, want)
	}
	if staging.Databases["main"].URL == "" {
		t.Error("staging lost its URL")
	}
}

func TestPairRefuses(t *testing.T) {
	cfg := load(t, shop, map[string]string{"AUDIT": auditURL})
	for _, test := range []struct{ from, to, message, hint string }{
		{"development", "stagin", `config: no environment "stagin"`, "did you mean staging? known environments: development, staging"},
		{"dev", "staging", `config: no environment "dev"`, "did you mean development? known environments: development, staging"},
		{"staging", "staging", "config: cannot promote staging to itself", "name two environments with --from and --to"},
		{"", "staging", `config: no environment ""`, "known environments: development, staging"},
	} {
		_, _, err := cfg.Pair(test.from, test.to)
		var hint interface{ Hint() string }
		if !errors.As(err, &hint) || err.Error() != test.message || hint.Hint() != test.hint {
			t.Errorf("%s to %s: %v, %v", test.from, test.to, err, hint)
		}
	}
}

func TestDefaults(t *testing.T) {
	cfg := load(t, "environments: {a: {compose: {project: a, files: [x]}}}", map[string]string{
		"MAX_STARTUP_WAIT": "90", "HEALTH_CHECK_TIMEOUT": "1m", "BACKUP_DIR": "", "PROMOTION_LOG": "x.log",
	})
	if want := (Settings{Log: "x.log", StartupWait: 90 * time.Second, HealthTimeout: time.Minute}); cfg.Settings != want {
		t.Errorf("settings %+v, want %+v", cfg.Settings, want)
	}
	want := Policy{
		Ready: 90, Caution: 75, Coverage: 80, Verdict: ReportVerdict, OnCaution: StopOnCaution, Settle: Duration(5 * time.Second),
		Deadline: Duration(30 * time.Minute), PhaseDeadline: Duration(15 * time.Minute), Rehearse: RehearseOff,
	}
	if !reflect.DeepEqual(cfg.Policy, want) {
		t.Errorf("policy %+v, want %+v", cfg.Policy, want)
	}
	if cfg.Version != 1 || cfg.Strategy != Recreate || cfg.Backup.Keep != 5 || !cfg.Backup.Dump || cfg.BackupDirectory() != "." {
		t.Errorf("version %d, strategy %s, backup %+v", cfg.Version, cfg.Strategy, cfg.Backup)
	}
	service := cfg.Service("unlisted")
	if !*service.Critical || service.StartupTimeout != Duration(90*time.Second) || service.Health.Status != 200 || service.Name != "unlisted" {
		t.Errorf("service %+v", service)
	}
	cfg.Settings.BackupDir = "from-variable"
	if got := cfg.BackupDirectory(); got != "from-variable" {
		t.Error(got)
	}
	cfg.Backup.Directory = "b"
	if got := cfg.BackupDirectory(); got != filepath.Join(cfg.Root, "b") {
		t.Error(got)
	}
}

func TestChecksFor(t *testing.T) {
	cfg := load(t, shop, map[string]string{"AUDIT": auditURL})
	for _, test := range []struct {
		environment string
		stage       Stage
		want        string
	}{
		{"development", OnTest, "c[ 30s critical]a[api 30s]"},
		{"staging", OnTest, "a[api 30s]"},
		{"staging", OnVerify, "b[ 1s critical]a[api 30s]"},
	} {
		got := ""
		for _, check := range cfg.ChecksFor(test.environment, test.stage) {
			got += fmt.Sprintf("%s[%s %v", check.Name, check.Service, check.Timeout)
			if *check.Critical {
				got += " critical"
			}
			got += "]"
			if check.HTTP != nil && (check.HTTP.Service != "api" || check.HTTP.Port != 8080 || check.HTTP.Status != 200) {
				t.Errorf("%s asks %+v", check.Name, check.HTTP)
			}
		}
		if got != test.want {
			t.Errorf("%s %s: %s, want %s", test.environment, test.stage, got, test.want)
		}
	}
}

func TestCheckServices(t *testing.T) {
	cfg := load(t, shop, map[string]string{"AUDIT": auditURL})
	if err := cfg.CheckServices("staging", []string{"db", "api"}); err != nil {
		t.Error(err)
	}
	var problems Problems
	err := cfg.CheckServices("development", []string{"apis", "dbs"})
	if !errors.As(err, &problems) || len(problems) != 4 {
		t.Fatalf("%v", err)
	}
	if p := problems[0]; p.Message != `development has no service "api"` || p.Hint != "did you mean apis? known services: apis, dbs" || p.Line != 10 {
		t.Errorf("%+v", p)
	}
	if len(cfg.doc.problems) != 0 {
		t.Error("a later call would report them again")
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	for _, dir := range []string{deep, filepath.Join(root, ".github", "promote.yml", "a folder is no file")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(deep)
	var missing *NotFoundError
	if _, err := Find("."); !errors.As(err, &missing) || !strings.Contains(missing.Hint(), "promote init") {
		t.Fatalf("%v", err)
	}
	if err := os.RemoveAll(filepath.Join(root, DefaultPath)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, DefaultPath), []byte("environments: {a: {compose: {project: a, files: [x]}}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := Find("."); err != nil || path != filepath.Join("../..", DefaultPath) {
		t.Errorf("%q %v", path, err)
	}
	if path, err := Find(deep); err != nil || path != filepath.Join(root, DefaultPath) {
		t.Errorf("%q %v", path, err)
	}
	cfg, err := Load(filepath.Join("../..", DefaultPath), func(string) (string, bool) { return "", false })
	if err != nil || cfg.Root != root {
		t.Errorf("root %v, want %s: %v", cfg, root, err)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	cfg := load(t, shop, map[string]string{"AUDIT": auditURL})
	_, staging, _ := cfg.Pair("development", "staging")
	text := fmt.Sprintf("%v %+v %#v %s %q %x", staging.DatabaseURLs, *staging.Databases["audit"], *staging.Databases["audit"],
		staging.Databases["audit"].URL, staging.Databases["audit"].URL, staging.Databases["audit"].URL)
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if text += string(asJSON); strings.Contains(text, "s3cr3t") || strings.Contains(text, "733363") {
		t.Error(text)
	}
	if staging.Databases["audit"].URL.Reveal() != auditURL {
		t.Error("the secret itself is lost")
	}
}

func TestExpand(t *testing.T) {
	env := func(name string) (string, bool) {
		value, ok := map[string]string{"A": "1", "EMPTY": "", "NESTED": "${A}"}[name]
		return value, ok
	}
	for _, test := range []struct {
		text, want string
		bad        []string
	}{
		{"", "", nil},
		{"plain $A $$ $1 $", "plain $A $$ $1 $", nil},
		{"${A}${A}x", "11x", nil},
		{"${B:-d e}${A:-d}", "d e1", nil},
		{"${EMPTY:-}|${B:-}", "|", nil},
		{"$${A} $$${A}", "${A} $${A}", nil},
		{"${NESTED}", "${A}", nil},
		{"${B} ${EMPTY}", " ", []string{"the environment variable B is not set", "the environment variable EMPTY is empty"}},
		{"a${A", "a", []string{`"${" without "}"`}},
		{"${A-x}${}${1}", "", []string{`the reference "${A-x}" is not understood`, `the reference "${}" is not understood`, `the reference "${1}" is not understood`}},
	} {
		got, bad := expand(test.text, env)
		var messages []string
		for _, b := range bad {
			messages = append(messages, b.message)
		}
		if got != test.want || !reflect.DeepEqual(messages, test.bad) {
			t.Errorf("%q: %q %q, want %q %q", test.text, got, messages, test.want, test.bad)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"environments", "services", "databases", "policy", "on_caution", "health"}
	for name, want := range map[string]string{
		"envronments": "environments", "Services": "services", "database": "databases", "polciy": "policy", "oncaution": "on_caution",
		"env": "environments", "heatlh": "health", "xyz": "", "": "", "on": "",
	} {
		if got := nearest(name, keys); got != want {
			t.Errorf("%q is like %q, want %q", name, got, want)
		}
	}
}

func TestReadSettings(t *testing.T) {
	only := func(name, value string) Lookup {
		return func(asked string) (string, bool) {
			if asked == name {
				return value, true
			}
			return "", false
		}
	}
	for text, want := range map[string]time.Duration{"": 300 * time.Second, " 45 ": 45 * time.Second, "1m30s": 90 * time.Second, "24h": 24 * time.Hour} {
		got, err := ReadSettings(only("MAX_STARTUP_WAIT", text))
		if err != nil || got.StartupWait != want || got.HealthTimeout != 30*time.Second {
			t.Errorf("%q: %+v, want %v: %v", text, got, want, err)
		}
	}
	for _, text := range []string{"0", "-1", "25h", "9999999999999999999", "a", "1.5"} {
		_, err := ReadSettings(only("HEALTH_CHECK_TIMEOUT", text))
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Key != "HEALTH_CHECK_TIMEOUT" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestDocumentedDefaults keeps the tags of Settings in step with the constants.
func TestDocumentedDefaults(t *testing.T) {
	got, err := ReadSettings(func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	for field := range fields(reflect.TypeFor[Settings]()) {
		if text := field.Tag.Get("default"); text != "" {
			want, err := time.ParseDuration(text)
			if value := reflect.ValueOf(got).FieldByName(field.Name).Interface(); err != nil || value != want {
				t.Errorf("%s is %v, documented as %s", field.Name, value, text)
			}
		}
	}
}
