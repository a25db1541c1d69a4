package config

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// SchemaURL is where editors find the JSON Schema of the configuration.
const SchemaURL = "https://raw.githubusercontent.com/org/promote-action/main/.github/promote.schema.json"

// parents are folders that people keep Compose files in.
var parents = []string{"", "deploy", "deployment", "deployments", "docker", "compose", "environments", "envs", "env", "infra"}

// draft is one environment that Init proposes.
type draft struct {
	name     string
	project  string
	files    []string
	envFiles []string
	services map[string]composeService
	note     string
}

// Init returns a configuration for the Compose files in dir and its usual subfolders: a file for development and one
// for staging are told apart by their names, and a single one serves both. Written to DefaultPath in dir it passes
// Validate unedited. The error is a *NoComposeError, a *ComposeError, Problems, or one of the file system.
func Init(dir string) ([]byte, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	dev, stage, err := drafts(abs)
	if err != nil {
		return nil, err
	}
	nameProjects(abs, dev, stage)
	text := render(dev, stage)
	doc := newDocument(DefaultPath, text)
	cfg := &Config{Path: DefaultPath, Root: abs, doc: doc}
	if doc.parse() {
		(&decoder{doc: doc, env: func(string) (string, bool) { return "", false }}).decode(cfg)
		(&validator{cfg: cfg, doc: doc, files: true}).run()
	}
	if len(doc.problems) > 0 {
		return nil, doc.sorted()
	}
	return text, nil
}

// drafts pairs the files that are found.
func drafts(root string) (dev, stage *draft, err error) {
	main := stack{}
	for _, parent := range parents {
		if main = scan(root, parent); !main.empty() {
			break
		}
	}
	dev = &draft{name: "development"}
	stage = &draft{name: "staging"}
	if err := dev.choose(root, main, development); err != nil {
		return nil, nil, err
	}
	if err := stage.choose(root, main, staging); err != nil {
		return nil, nil, err
	}
	if len(stage.files) == 0 {
		if err := stage.choose(root, main, production); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case len(dev.files) == 0 && len(stage.files) == 0:
		return nil, nil, &NoComposeError{Dir: root}
	case len(dev.files) == 0:
		dev.files, dev.note = stage.files, "no file of its own was found: change this one to what runs in development"
	case len(stage.files) == 0:
		stage.files, stage.note = dev.files, "no file of its own was found: change this one to what runs in staging"
	}
	for _, d := range []*draft{dev, stage} {
		if d.services, err = servicesIn(root, d.files); err != nil {
			return nil, nil, err
		}
	}
	return dev, stage, nil
}

// choose takes the files of one side: from a folder named after it, else the base with the overlay named after it.
func (d *draft) choose(root string, main stack, s side) error {
	own := stack{}
	for _, parent := range parents {
		for _, word := range sortedKeys(sideNames) {
			if sideNames[word] == s && own.empty() {
				own = scan(root, path.Join(parent, word))
			}
		}
	}
	overlay := main.overlays[s]
	if s == staging && overlay == "" {
		overlay = main.overlays[production]
	}
	switch {
	case own.base != "":
		content, err := readCompose(root, own.base)
		if err != nil {
			return err
		}
		d.files = []string{own.base}
		if main.base != "" && !content.standsAlone() {
			d.files = []string{main.base, own.base}
		} else if own.override != "" {
			d.files = append(d.files, own.override)
		}
	case overlay != "" && main.base != "":
		d.files = []string{main.base, overlay}
	case overlay != "":
		d.files = []string{overlay}
	case main.base != "":
		d.files = []string{main.base}
		if s == development && main.override != "" {
			d.files = append(d.files, main.override)
		}
	}
	d.envFiles = nil
	for _, file := range []string{own.dotEnv, own.envFiles[s], main.envFiles[s]} {
		if file != "" {
			d.envFiles = append(d.envFiles, file)
		}
	}
	if s == staging && len(d.envFiles) == 0 && main.envFiles[production] != "" {
		d.envFiles = []string{main.envFiles[production]}
	}
	if len(d.envFiles) == 0 && main.dotEnv != "" {
		d.envFiles = []string{main.dotEnv}
	}
	return nil
}

// standsAlone says whether every service has an image or a build of its own.
func (c composeFile) standsAlone() bool {
	for _, service := range c.services {
		if !service.complete {
			return false
		}
	}
	return len(c.services) > 0
}

// servicesIn merges the services of Compose files, later ones over earlier ones.
func servicesIn(root string, files []string) (map[string]composeService, error) {
	all := map[string]composeService{}
	for _, file := range files {
		content, err := readCompose(root, file)
		if err != nil {
			return nil, err
		}
		for name, over := range content.services {
			service := all[name]
			replace(&service.image, over.image)
			replace(&service.database, over.database)
			all[name] = service
		}
	}
	return all, nil
}

var notInProject = regexp.MustCompile(`[^a-z0-9_-]+`)

// nameProjects takes the names that the files themselves give, and makes up what is missing or given twice.
func nameProjects(root string, dev, stage *draft) {
	for _, d := range []*draft{dev, stage} {
		for _, file := range d.files {
			if content, err := readCompose(root, file); err == nil {
				replace(&d.project, content.name)
			}
		}
		for _, file := range d.envFiles {
			replace(&d.project, projectNameIn(root, file))
		}
		if !validProject.MatchString(d.project) {
			d.project = ""
		}
	}
	stem := strings.Trim(notInProject.ReplaceAllString(strings.ToLower(filepath.Base(root)), "-"), "-_")
	if dev.project != "" && dev.project == stage.project {
		stem, dev.project, stage.project = dev.project, "", ""
	}
	if stem == "" {
		stem = "app"
	}
	if dev.project == "" {
		dev.project = stem + "-dev"
	}
	if stage.project == "" {
		stage.project = stem + "-staging"
	}
	if dev.project == stage.project {
		stage.project += "-2"
	}
}

func render(dev, stage *draft) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# yaml-language-server: $schema=%s\n", SchemaURL)
	b.WriteString("# Written by promote init. After a change: promote validate\nversion: 1\n\nenvironments:\n")
	for _, d := range []*draft{dev, stage} {
		fmt.Fprintf(&b, "  %s:\n    compose:\n      project: %s # as docker compose ls shows it\n", d.name, scalarText(d.project))
		if d.note != "" {
			fmt.Fprintf(&b, "      # %s\n", d.note)
		} else if d == stage && strings.Join(dev.files, "\n") == strings.Join(stage.files, "\n") {
			b.WriteString("      # the same as in development: add the file that makes staging different\n")
		}
		fmt.Fprintf(&b, "      files: %s\n", listText(d.files))
		if len(d.envFiles) > 0 {
			fmt.Fprintf(&b, "      env_files: %s\n", listText(d.envFiles))
		}
		if d == stage {
			b.WriteString("    # host: ssh://deploy@staging.example.org # where it runs on another machine\n")
		}
	}
	renderServices(&b, dev)
	renderDatabases(&b, dev, stage)
	b.WriteString("\npolicy: {ready: 90, caution: 75, on_caution: stop}\n")
	return []byte(b.String())
}

func renderServices(b *strings.Builder, dev *draft) {
	b.WriteString("\n# Every Compose service is known without an entry. What Compose does not say goes here:\n# services:\n")
	for _, name := range sortedKeys(dev.services) {
		if !isPostgres(dev.services[name].image) {
			fmt.Fprintf(b, "#   %s: {critical: true, health: {http: /}}\n", scalarText(name))
		}
	}
}

// renderDatabases writes the PostgreSQL services that both environments have.
func renderDatabases(b *strings.Builder, dev, stage *draft) {
	var names []string
	for _, name := range sortedKeys(dev.services) {
		if _, both := stage.services[name]; both && isPostgres(dev.services[name].image) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		b.WriteString("\n# No PostgreSQL service was found. A server outside the stack is named by its URLs:\n" +
			"# databases:\n#   main: {}\n# and in each environment:\n#     database_urls: {main: \"${STAGING_DATABASE_URL}\"}\n")
		return
	}
	b.WriteString("\ndatabases:\n")
	for _, name := range names {
		key := name
		if len(names) == 1 {
			key = "main"
		}
		if !validName.MatchString(key) {
			fmt.Fprintf(b, "  # %q: give it a name of small letters\n", name)
			continue
		}
		fmt.Fprintf(b, "  %s: {service: %s", scalarText(key), scalarText(name))
		if db := dev.services[name].database; db != "" && db == stage.services[name].database {
			fmt.Fprintf(b, ", database: %s", scalarText(db))
		}
		b.WriteString("}\n")
	}
}

// isPostgres says whether an image is PostgreSQL by its name.
func isPostgres(image string) bool {
	image, _, _ = strings.Cut(image, "@")
	base := path.Base(image)
	base, _, _ = strings.Cut(base, ":")
	switch base {
	case "postgres", "postgresql", "postgis", "pgvector", "timescaledb", "timescaledb-ha":
		return true
	}
	return false
}

var (
	plainText = regexp.MustCompile(`^(\.?[A-Za-z_][A-Za-z0-9_./-]*)$`)
	yamlWord  = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null|\.inf|\.nan)$`)
)

// scalarText writes a text as a YAML value.
func scalarText(text string) string {
	if plainText.MatchString(text) && !yamlWord.MatchString(text) {
		return text
	}
	return strconv.Quote(strings.ReplaceAll(text, "${", "$${"))
}

func listText(items []string) string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = scalarText(item)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
