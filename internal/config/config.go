// Package config reads .github/promote.yml into typed values with every default filled in. It reports all problems of
// a file at once, each with its position, the offending line and what would be accepted.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go test -run ^TestGenerated$ -update .

// maxSize is the largest file that is read as a configuration, in bytes.
const maxSize = 256 << 10

// Lookup returns the value of an environment variable and whether it is set; os.LookupEnv is one.
type Lookup func(name string) (string, bool)

// Config is one promote.yml. Values are as written, with ${VAR} replaced and the defaults of the fields filled in; the
// accessors (Environment, Service, …) add what depends on more than one field.
type Config struct {
	Version      int                     `yaml:"version" jsonschema:"minimum=1,maximum=1,default=1" jsonschema_description:"Version of this file's format."`
	Environments map[string]*Environment `yaml:"environments" jsonschema:"required,minProperties=1" jsonschema_description:"The places where the services run, by name. The names are those of the command line."`
	Services     map[string]*Service     `yaml:"services" jsonschema_description:"What Compose does not say about a service, by its Compose name. Every Compose service is known without an entry."`
	Databases    map[string]*Database    `yaml:"databases" jsonschema_description:"The PostgreSQL databases that are promoted and rolled back with the services, by a name of your choice. Without entries they are found by the images of the Compose services."`
	Volumes      map[string]VolumePolicy `yaml:"volumes" jsonschema_description:"What a rollback does with a named volume, by its name in the Compose file. A volume that is not listed is a warning in preflight."`
	Checks       []Check                 `yaml:"checks" jsonschema_description:"Checks of your own: an HTTP request, an SQL query or a command."`
	Policy       Policy                  `yaml:"policy" jsonschema_description:"When a promotion may start, and how long it may take."`
	Compare      Compare                 `yaml:"compare" jsonschema_description:"How two environments are compared, and what is accepted."`
	Backup       Backup                  `yaml:"backup" jsonschema_description:"Backups that are copied to the machine that promotes."`
	Strategy     Strategy                `yaml:"strategy" jsonschema:"default=recreate" jsonschema_description:"How the services are replaced."`

	// Path is the file as it was named to Load.
	Path string `yaml:"-"`
	// Root is the absolute folder that relative paths start from: the repository root when the file lies in .github,
	// else the file's own folder.
	Root string `yaml:"-"`
	// Settings are the environment variables that hold for every command.
	Settings Settings `yaml:"-"`

	doc *document
}

// Strategy is how a deployment replaces the services.
type Strategy string

// Recreate stops the old containers before the new ones start.
const Recreate Strategy = "recreate"

func (Strategy) choices() []string { return []string{string(Recreate)} }

// Load reads and checks the file at path. The error is Problems when the content, or one of the environment variables
// of Settings, is wrong, and an error of the file system when the file cannot be read. Named files need not exist:
// Validate looks at those too.
func Load(path string, env Lookup) (*Config, error) { return read(path, env, false) }

// Validate is Load that also looks for every file and folder that the configuration names on this machine.
func Validate(path string, env Lookup) (*Config, error) { return read(path, env, true) }

func read(path string, env Lookup, files bool) (*Config, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	root, err := rootOf(path)
	if err != nil {
		return nil, err
	}
	doc := newDocument(path, text)
	cfg := &Config{Path: path, Root: root, doc: doc}
	settings, problems := readSettings(env)
	cfg.Settings = settings
	if doc.parse() {
		(&decoder{doc: doc, env: env}).decode(cfg)
		(&validator{cfg: cfg, doc: doc, files: files}).run()
	}
	problems = append(problems, doc.sorted()...)
	if len(problems) > 0 {
		return nil, problems
	}
	return cfg, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &NotFoundError{Named: path}
	}
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("config: %s is not a file", path)
	}
	if info.Size() > maxSize {
		return nil, fmt.Errorf("config: %s has %d bytes; at most %d are read", path, info.Size(), maxSize)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return text, nil
}

func rootOf(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	dir := filepath.Dir(abs)
	if filepath.Base(dir) == ".github" {
		dir = filepath.Dir(dir)
	}
	return dir, nil
}

// abs makes a path of the configuration absolute; an empty one stays empty.
func (c *Config) abs(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Root, path)
}
