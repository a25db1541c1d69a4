package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// documentation makes configuration.md: the prose of testdata/configuration.md, then a table for each type.
func documentation(t *testing.T) []byte {
	t.Helper()
	prose, err := os.ReadFile("testdata/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("<!-- Made from the types in internal/config by go generate. -->\n")
	for line := range strings.Lines(string(prose)) {
		switch strings.TrimSpace(line) {
		case "<!-- keys -->":
			keyTables(&b, reflect.TypeFor[Config](), "")
		case "<!-- variables -->":
			variableTable(&b)
		default:
			b.WriteString(line)
		}
	}
	return []byte(b.String())
}

// keyTables writes the table of one type, then those of the types inside it.
func keyTables(b *strings.Builder, t reflect.Type, prefix string) {
	title := "Top level"
	if prefix != "" {
		title = "`" + prefix + "`"
	}
	fmt.Fprintf(b, "### %s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", title)
	type inner struct {
		t      reflect.Type
		prefix string
	}
	var rest []inner
	for i := range t.NumField() {
		field := t.Field(i)
		tag := tagOf(field)
		if tag.key == "" {
			continue
		}
		fallback := ""
		switch {
		case tag.required:
			fallback = "**required**"
		case tag.fallback != "":
			fallback = "`" + tag.fallback + "`"
		}
		meaning := tag.description
		if tag.example != "" {
			meaning += " Example: `" + tag.example + "`."
		}
		words, element, suffix := describeType(field.Type)
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", tag.key, words, fallback, strings.ReplaceAll(meaning, "|", `\|`))
		if element != nil && !(prefix == "services.NAME" && tag.key == "checks") && !(tag.key == "databases" && prefix != "") {
			rest = append(rest, inner{element, join(prefix, tag.key) + suffix})
		}
	}
	b.WriteString("\n")
	for _, r := range rest {
		keyTables(b, r.t, r.prefix)
	}
}

// describeType words a type; element is the struct inside it, which has a table of its own.
func describeType(t reflect.Type) (words string, element reflect.Type, suffix string) {
	switch t {
	case reflect.TypeFor[Duration]():
		return "duration", nil, ""
	case reflect.TypeFor[Percent]():
		return "percentage", nil, ""
	case reflect.TypeFor[Day]():
		return "day", nil, ""
	case reflect.TypeFor[Scalar]():
		return "text, number or boolean", nil, ""
	}
	if set, ok := reflect.Zero(t).Interface().(closed); ok && t.Kind() == reflect.String {
		return "`" + strings.Join(set.choices(), "`, `") + "`", nil, ""
	}
	switch t.Kind() {
	case reflect.Pointer:
		return describeType(t.Elem())
	case reflect.Struct:
		return "mapping", t, ""
	case reflect.Map:
		words, element, _ := describeType(t.Elem())
		if element != nil {
			return "mapping by name", element, ".NAME"
		}
		return "mapping: name to " + words, nil, ""
	case reflect.Slice:
		words, element, _ := describeType(t.Elem())
		if element != nil {
			return "list of mappings", element, "[]"
		}
		return "list: " + words, nil, ""
	case reflect.Bool:
		return "boolean", nil, ""
	case reflect.Int:
		return "number", nil, ""
	}
	return "text", nil, ""
}

func variableTable(b *strings.Builder) {
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for field := range fields(reflect.TypeFor[Settings]()) {
		fallback := ""
		if value := field.Tag.Get("default"); value != "" {
			fallback = "`" + value + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", field.Tag.Get("env"), fallback, field.Tag.Get("doc"))
	}
}

func fields(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// TestDocumentedExample loads the example of the documentation, so that it is never one that does not work.
func TestDocumentedExample(t *testing.T) {
	prose, err := os.ReadFile("testdata/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(prose), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatal("no example")
	}
	path := t.TempDir() + "/promote.yml"
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(strings.TrimSuffix(path, "promote.yml")+"compose.yml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, func(string) (string, bool) { return "", false }); err != nil {
		t.Fatal(err)
	}
	validateSchema(t, []byte(example))
}

// TestEveryFieldIsDocumented fails for a key that has no description.
func TestEveryFieldIsDocumented(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(t0 reflect.Type) {
		if seen[t0] {
			return
		}
		seen[t0] = true
		for field := range fields(t0) {
			if tag := tagOf(field); tag.key != "" {
				if tag.description == "" {
					t.Errorf("%s.%s has no description", t0, field.Name)
				}
				if _, element, _ := describeType(field.Type); element != nil {
					walk(element)
				}
			}
		}
	}
	walk(reflect.TypeFor[Config]())
}
