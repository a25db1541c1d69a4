package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed files
var shopFiles embed.FS

// Options are what can be chosen about the shop's two environments. Zero values are replaced by what is in brackets.
type Options struct {
	Development   string // Compose project [shop-dev]
	Staging       string // Compose project [shop-staging]
	DevelopmentAt Release
	StagingAt     Release // releases to start with [2 and 1]
	Postgres      string  // image [promote-demo/postgres:15]
}

// Shop is the shop's folder: Compose files, env files and .github/promote.yml.
type Shop struct {
	Dir         string
	Config      string // path of promote.yml
	Development Environment
	Staging     Environment
}

// Environment is one of the two. Paths are absolute.
type Environment struct {
	Name    string // development or staging
	Project string
	Dir     string
	Files   []string
	EnvFile string
}

// Write writes the shop into dir, which is made when missing. Files that are there already are an error: they may be
// somebody's work.
func Write(dir string, o Options) (Shop, error) {
	o = o.withDefaults()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Shop{}, err
	}
	env := func(name, short, project string) Environment {
		return Environment{
			Name: name, Project: project, Dir: dir,
			Files:   []string{filepath.Join(dir, "compose.yml"), filepath.Join(dir, "compose."+short+".yml")},
			EnvFile: filepath.Join(dir, short+".env"),
		}
	}
	s := Shop{
		Dir: dir, Config: filepath.Join(dir, ".github", "promote.yml"),
		Development: env("development", "dev", o.Development),
		Staging:     env("staging", "staging", o.Staging),
	}
	files := map[string][]byte{
		s.Development.EnvFile: envFile(o.DevelopmentAt, o.Postgres, "USD"),
		s.Staging.EnvFile:     envFile(o.StagingAt, o.Postgres, "EUR"),
	}
	for _, name := range []string{"compose.yml", "compose.dev.yml", "compose.staging.yml"} {
		if files[filepath.Join(dir, name)], err = shopFiles.ReadFile("files/" + name); err != nil {
			return Shop{}, err
		}
	}
	if files[s.Config], err = s.config(); err != nil {
		return Shop{}, err
	}
	for path, data := range files {
		if err := writeNew(path, data); err != nil {
			return Shop{}, fmt.Errorf("demo: %w", err)
		}
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	or := func(s *string, fallback string) {
		if *s == "" {
			*s = fallback
		}
	}
	or(&o.Development, "shop-dev")
	or(&o.Staging, "shop-staging")
	or(&o.Postgres, ownPostgres(15))
	if o.DevelopmentAt.Number == 0 {
		o.DevelopmentAt = Release{Number: 2}
	}
	if o.StagingAt.Number == 0 {
		o.StagingAt = Release{Number: 1}
	}
	return o
}

// envFile is the configuration of one environment, with a password of its own.
func envFile(r Release, postgres, currency string) []byte {
	return fmt.Appendf(nil, "SHOP_TAG=%s\nSHOP_DB_PASSWORD=%s\nSHOP_CURRENCY=%s\nPOSTGRES_IMAGE=%s\n", r.Tag(), rand.Text(), currency, postgres)
}

// config is promote.yml.
func (s Shop) config() ([]byte, error) {
	t, err := template.ParseFS(shopFiles, "files/promote.yml")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, s)
	return out.Bytes(), err
}

func writeNew(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// Set changes or adds a key of the environment's env file.
func (e Environment) Set(key, value string) error {
	data, err := os.ReadFile(e.EnvFile)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, key+"=") {
			out.WriteString(line)
		}
	}
	fmt.Fprintf(&out, "%s=%s\n", key, value)
	if err := os.WriteFile(e.EnvFile, []byte(out.String()), 0o600); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// Composer runs Compose projects. Up returns when every service is healthy, or with the reason why not.
type Composer interface {
	Up(ctx context.Context, project, dir string, files, envFiles []string) error
	Down(ctx context.Context, project string) error
}

// Up brings the environment to a release, whose images must be there.
func (e Environment) Up(ctx context.Context, c Composer, r Release, log Log) error {
	if err := e.Set("SHOP_TAG", r.Tag()); err != nil {
		return err
	}
	log("starting %s (project %s) with release %s", e.Name, e.Project, r.Tag())
	if err := c.Up(ctx, e.Project, e.Dir, e.Files, []string{e.EnvFile}); err != nil {
		return fmt.Errorf("demo: start %s: %w", e.Name, err)
	}
	return nil
}
