package config

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/invopop/jsonschema"
	"github.com/rogpeppe/go-internal/txtar"
	validator6 "github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	schemaPath = "../../.github/promote.schema.json"
	docsPath   = "../../.github/docs/configuration.md"
)

// TestGenerated keeps the published schema and the documentation in step with the types; go generate writes them.
func TestGenerated(t *testing.T) {
	for path, want := range map[string][]byte{schemaPath: schema(t), docsPath: documentation(t)} {
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types say; run: go generate ./internal/config", path)
		}
	}
}

// reference is a value that is only known when it is read.
var reference = &jsonschema.Schema{Type: "string", Pattern: `[$][{].+[}]`}

// schema makes the JSON Schema of Config.
func schema(t *testing.T) []byte {
	t.Helper()
	reflector := jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Anonymous:                  true,
		Mapper:                     scalarSchema,
	}
	root := reflector.Reflect(&Config{})
	root.ID = jsonschema.ID(SchemaURL)
	root.Title = "promote.yml"
	root.Description = "Configuration of promote: environments, services, databases, checks and policy."
	root.PatternProperties = map[string]*jsonschema.Schema{"^x-": {Description: "Ignored: a place for YAML anchors."}}
	for _, definition := range root.Definitions {
		references(definition)
	}
	references(root)
	environments, _ := root.Properties.Get("environments")
	one := uint64(1)
	environments.MinProperties = &one
	// A database or a service may be written without a value: what is known of it is then only its name.
	for _, name := range []string{"services", "databases"} {
		property, _ := root.Properties.Get(name)
		property.AdditionalProperties = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{property.AdditionalProperties, {Type: "null"}}}
	}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func scalarSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]|[.][0-9]|[$][{])`}
	case reflect.TypeFor[Percent]():
		return &jsonschema.Schema{Type: "string", Pattern: `%$|[}]$`}
	case reflect.TypeFor[Day]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]{4}-[0-9]{2}-[0-9]{2}$|[$][{])`}
	case reflect.TypeFor[Secret]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[Scalar]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
	}
	if set, ok := reflect.Zero(t).Interface().(closed); ok {
		choices := &jsonschema.Schema{Type: "string"}
		for _, choice := range set.choices() {
			choices.Enum = append(choices.Enum, choice)
		}
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{choices, reference}}
	}
	return nil
}

// references lets a ${VAR} stand for a number or a boolean.
func references(s *jsonschema.Schema) {
	if s.Properties == nil {
		return
	}
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		p := pair.Value
		if p.Type != "integer" && p.Type != "boolean" || pair.Key == "version" {
			continue
		}
		value := &jsonschema.Schema{Type: p.Type, Minimum: p.Minimum, Maximum: p.Maximum}
		p.Type, p.Minimum, p.Maximum = "", "", ""
		p.AnyOf = []*jsonschema.Schema{value, reference}
	}
}

// validateSchema checks a configuration against the published schema.
func validateSchema(t *testing.T, text []byte) {
	t.Helper()
	if err := matchSchema(t, text); err != nil {
		t.Errorf("the schema refuses what the program accepts: %v", err)
	}
}

func matchSchema(t *testing.T, text []byte) error {
	t.Helper()
	document, err := validator6.UnmarshalJSON(bytes.NewReader(schema(t)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := validator6.NewCompiler()
	if err := compiler.AddResource(SchemaURL, document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile(SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	value, err := validator6.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(value)
}

// TestSchemaAgrees holds the schema against the same cases as the program: what the program accepts the schema accepts,
// and it refuses unknown keys, wrong types and missing keys too.
func TestSchemaAgrees(t *testing.T) {
	archives(t, "testdata/validate/*.txtar", func(t *testing.T, path string, archive *txtar.Archive) {
		text, found := section(archive, DefaultPath)
		if !found {
			text, _ = section(archive, "promote.yml")
		}
		want, _ := section(archive, "want")
		if want == "valid\n" {
			validateSchema(t, []byte(text))
		}
		if strings.Contains(string(archive.Comment), "schema refuses") && matchSchema(t, []byte(text)) == nil {
			t.Error("the schema accepts it")
		}
	})
}
