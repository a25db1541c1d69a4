package config

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// baseNames are the files that Compose takes by itself, in its order.
var baseNames = []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"}

// side is the environment that a file or folder belongs to by its name.
type side int

const (
	neither side = iota
	development
	staging
	production // used for staging where nothing else is
)

// sideNames are the words that tell sides apart.
var sideNames = map[string]side{
	"dev": development, "develop": development, "development": development, "local": development,
	"staging": staging, "stage": staging, "stg": staging, "preprod": staging, "pre-prod": staging, "preproduction": staging,
	"prod": production, "production": production,
}

// serviceName is what Compose accepts as the name of a service.
var serviceName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

var (
	overlayName = regexp.MustCompile(`^(?:docker-)?compose[.-]([a-z-]+)\.ya?ml$`)
	envFileName = regexp.MustCompile(`^(?:\.env[.-]([a-z-]+)|\.?([a-z-]+)\.env)$`)
)

// stack is what one folder holds for Compose. Paths are relative to the folder where Init looks, with slashes.
type stack struct {
	base     string
	override string // Compose lays it over the base by itself
	overlays map[side]string
	envFiles map[side]string
	dotEnv   string
}

func (s stack) empty() bool { return s.base == "" && len(s.overlays) == 0 }

// scan reads the names in one folder. A folder that cannot be read is empty.
func scan(root, folder string) stack {
	s := stack{overlays: map[side]string{}, envFiles: map[side]string{}}
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		return s
	}
	var names []string
	for _, entry := range entries {
		if isFile(filepath.Join(root, folder, entry.Name())) {
			names = append(names, entry.Name())
		}
	}
	for _, base := range baseNames {
		if s.base == "" && slices.Contains(names, base) {
			s.base = path.Join(folder, base)
		}
	}
	for _, name := range names {
		where := path.Join(folder, name)
		if m := overlayName.FindStringSubmatch(name); m != nil {
			if m[1] == "override" {
				s.override = where
			} else if side := sideNames[m[1]]; side != neither && s.overlays[side] == "" {
				s.overlays[side] = where
			}
		}
		if m := envFileName.FindStringSubmatch(name); m != nil {
			if side := sideNames[m[1]+m[2]]; side != neither && s.envFiles[side] == "" {
				s.envFiles[side] = where
			}
		}
		if name == ".env" {
			s.dotEnv = where
		}
	}
	return s
}

// composeFile is the little that Init reads of a Compose file.
type composeFile struct {
	name     string // empty when it is missing or holds a variable
	services map[string]composeService
}

type composeService struct {
	image    string
	complete bool // it has an image or says how to build one
	database string
}

func readCompose(root, file string) (composeFile, error) {
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return composeFile{}, fmt.Errorf("config: %w", err)
	}
	var content map[string]any
	if err := unmarshal(text, &content); err != nil {
		return composeFile{}, &ComposeError{File: file}
	}
	out := composeFile{name: literal(content["name"]), services: map[string]composeService{}}
	services, _ := content["services"].(map[string]any)
	for name, value := range services {
		if !serviceName.MatchString(name) {
			continue
		}
		fields, _ := value.(map[string]any)
		service := composeService{image: literal(fields["image"])}
		service.complete = fields["image"] != nil || fields["build"] != nil || fields["extends"] != nil
		switch environment := fields["environment"].(type) {
		case map[string]any:
			service.database = literal(environment["POSTGRES_DB"])
		case []any:
			for _, item := range environment {
				if value, ok := strings.CutPrefix(literal(item), "POSTGRES_DB="); ok {
					service.database = value
				}
			}
		}
		out.services[name] = service
	}
	return out, nil
}

// unmarshal turns a panic of the YAML library into an error.
func unmarshal(text []byte, into any) (err error) {
	doc := newDocument("", text)
	if !doc.readable() {
		return doc.problems
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not valid YAML")
		}
	}()
	return yaml.Unmarshal([]byte(doc.text), into)
}

// literal is a text without variables, else nothing.
func literal(value any) string {
	text, _ := value.(string)
	if strings.Contains(text, "$") {
		return ""
	}
	return text
}

// projectNameIn returns COMPOSE_PROJECT_NAME of an env file, or nothing.
func projectNameIn(root, file string) string {
	f, err := os.Open(filepath.Join(root, file))
	if err != nil {
		return ""
	}
	defer f.Close()
	found := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "COMPOSE_PROJECT_NAME="); ok {
			found = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return literal(found)
}

// ComposeError is a Compose file that is not YAML.
type ComposeError struct{ File string }

func (e *ComposeError) Error() string { return fmt.Sprintf("config: %s is not valid YAML", e.File) }

// Hint says how to find the place.
func (e *ComposeError) Hint() string {
	return fmt.Sprintf("docker compose -f %s config says where", e.File)
}

// NoComposeError means that Init found no Compose file.
type NoComposeError struct{ Dir string }

func (e *NoComposeError) Error() string { return fmt.Sprintf("config: no Compose file in %s", e.Dir) }

// Hint says what would be found.
func (e *NoComposeError) Hint() string {
	return "looked for compose.yml, docker-compose.yml, compose.staging.yml and the like, also in dev/, staging/, deploy/ and docker/; run promote init where they are"
}
