// Package flag reads feature flags from what their sources answer: JSON of the project's own, files of flagd, and the read
// APIs of Unleash and Flipt. It is pure.
package flag

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// Kinds of sources.
const (
	Env     = "env"     // variables with a prefix
	JSON    = "json"    // an HTTP endpoint of a service
	File    = "file"    // a file in a container: JSON, or lines NAME=VALUE
	Table   = "table"   // rows of a database
	Flagd   = "flagd"   // a flag definition of OpenFeature's flagd
	Unleash = "unleash" // the client or frontend API
	Flipt   = "flipt"   // the flags of a namespace
)

// The states of a flag; anything else is the name of a variant.
const (
	On  = "on"
	Off = "off"
)

// most bounds the flags of one source.
const most = 10_000

// Parse reads the flags of one source, sorted by name. field names, with dots, the part of a JSON answer that holds the flags;
// empty is all of it.
func Parse(kind, field string, data []byte) ([]snapshot.Flag, error) {
	if kind == File && !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) && !bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		return lines(data)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var doc any
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf("no JSON: %w", err)
	}
	if decoder.More() {
		return nil, errors.New("something follows the JSON")
	}
	if field != "" {
		for key := range strings.SplitSeq(field, ".") {
			object, ok := doc.(map[string]any)
			if !ok || object[key] == nil {
				return nil, fmt.Errorf("there is no %q in it", field)
			}
			doc = object[key]
		}
	}
	switch kind {
	case Flagd:
		return flagd(doc)
	case Unleash:
		return listed(doc, []string{"features", "toggles"}, "name")
	case Flipt:
		return listed(doc, []string{"flags"}, "key")
	case JSON, File:
		return anyJSON(doc)
	}
	return nil, fmt.Errorf("%q is no kind of source: accepted are env, json, file, table, flagd, unleash, flipt", kind)
}

// Rows are the flags of a table: a name and a value each.
func Rows(rows [][]string) ([]snapshot.Flag, error) {
	var flags []snapshot.Flag
	for _, row := range rows {
		if len(row) < 2 {
			return nil, errors.New("a flag needs a column for its name and one for its value")
		}
		flags = append(flags, snapshot.Flag{Name: row[0], Value: State(row[1])})
	}
	return sorted(flags)
}

// State makes on or off of the usual words for them; anything else is the name of a variant.
func State(value string) string {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "true", "t", "on", "yes", "1", "enabled", "enable", "active":
		return On
	case "false", "f", "off", "no", "0", "disabled", "disable", "inactive", "":
		return Off
	}
	return strings.TrimSpace(value)
}

// lines reads NAME=VALUE, as env files have it.
func lines(data []byte) ([]snapshot.Flag, error) {
	var flags []snapshot.Flag
	for l := range strings.Lines(string(data)) {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' || l[0] == ';' || l[0] == '[' {
			continue
		}
		name, value, ok := strings.Cut(l, "=")
		if !ok {
			name, value, ok = strings.Cut(l, ":")
		}
		if !ok {
			return nil, errors.New("neither JSON nor lines NAME=VALUE")
		}
		flags = append(flags, snapshot.Flag{Name: strings.TrimSpace(name), Value: State(strings.Trim(strings.TrimSpace(value), `"'`))})
	}
	return sorted(flags)
}

// flagd reads a definition: a flag that is not ENABLED is off, one that is has its default variant. What targeting does to
// single users is not a state of the environment.
func flagd(doc any) ([]snapshot.Flag, error) {
	object, _ := doc.(map[string]any)
	definitions, ok := object["flags"].(map[string]any)
	if !ok {
		return nil, errors.New("no definition of flagd: it has no object flags")
	}
	var flags []snapshot.Flag
	for name, definition := range definitions {
		d, _ := definition.(map[string]any)
		variant, _ := d["defaultVariant"].(string)
		f := snapshot.Flag{Name: name, Value: State(variant), Default: true}
		if variants, ok := d["variants"].(map[string]any); ok {
			if value, isBool := variants[variant].(bool); isBool {
				f.Value = State(fmt.Sprint(value))
			}
		}
		if state, _ := d["state"].(string); state != "ENABLED" {
			f.Value = Off
		}
		flags = append(flags, f)
	}
	return sorted(flags)
}

// listed reads a list of objects with a name and an enabled, as Unleash's and Flipt's APIs answer.
func listed(doc any, fields []string, name string) ([]snapshot.Flag, error) {
	object, _ := doc.(map[string]any)
	for _, field := range fields {
		if list, ok := object[field].([]any); ok {
			return objects(list, name)
		}
	}
	return nil, fmt.Errorf("no answer of that API: it has no list %s", strings.Join(fields, " or "))
}

func objects(list []any, names ...string) ([]snapshot.Flag, error) {
	var flags []snapshot.Flag
	for _, item := range list {
		o, _ := item.(map[string]any)
		f := snapshot.Flag{}
		for _, name := range names {
			if s, ok := o[name].(string); ok && f.Name == "" {
				f.Name = s
			}
		}
		if f.Name == "" {
			return nil, fmt.Errorf("a flag in it has no %s", strings.Join(names, " or "))
		}
		value, ok := valueOf(o)
		if !ok {
			return nil, fmt.Errorf("flag %s has no enabled, value or variant", f.Name)
		}
		f.Value = value
		flags = append(flags, f)
	}
	return sorted(flags)
}

// anyJSON reads the usual forms: an object of names, of switches, variants or objects; or a list of objects with a name.
func anyJSON(doc any) ([]snapshot.Flag, error) {
	switch d := doc.(type) {
	case []any:
		return objects(d, "name", "key", "id")
	case map[string]any:
		for _, field := range []string{"flags", "features", "toggles"} {
			if inner, ok := d[field]; ok && len(d) <= 3 {
				return anyJSON(inner)
			}
		}
		var flags []snapshot.Flag
		for name, v := range d {
			value, ok := valueOf(v)
			if !ok {
				return nil, fmt.Errorf("flag %s has no enabled, value or variant", name)
			}
			flags = append(flags, snapshot.Flag{Name: name, Value: value})
		}
		return sorted(flags)
	}
	return nil, errors.New("flags are an object or a list")
}

// valueOf is the state of a flag. A variant is one only while the flag is on.
func valueOf(v any) (string, bool) {
	switch v := v.(type) {
	case bool:
		return State(fmt.Sprint(v)), true
	case string:
		return State(v), true
	case json.Number:
		return State(v.String()), true
	case map[string]any:
		state, found := "", false
		for _, field := range []string{"enabled", "on", "active", "state"} {
			if s, ok := scalar(v[field]); ok {
				state, found = State(s), true
				break
			}
		}
		if found && state == Off {
			return Off, true
		}
		for _, field := range []string{"variant", "value", "default"} {
			if inner, ok := v[field].(map[string]any); ok {
				if name, _ := inner["name"].(string); name != "" && inner["enabled"] != false {
					return name, true
				}
				continue
			}
			if s, ok := scalar(v[field]); ok {
				return State(s), true
			}
		}
		return state, found
	}
	return "", false
}

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case bool:
		return fmt.Sprint(v), true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// sorted puts flags into the order of their names; one name has one flag.
func sorted(flags []snapshot.Flag) ([]snapshot.Flag, error) {
	if len(flags) > most {
		return nil, fmt.Errorf("%d flags; at most %d are read", len(flags), most)
	}
	byName := map[string]snapshot.Flag{}
	for _, f := range flags {
		byName[f.Name] = f
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b snapshot.Flag) int { return cmp.Compare(a.Name, b.Name) }), nil
}
