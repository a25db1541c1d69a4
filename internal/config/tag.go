package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// tag is what a field's struct tags say: the same tags make the decoder, the JSON Schema and the documentation.
type tag struct {
	key              string // empty for a field that is not in the file
	description      string
	fallback         string // the default, as it would be written
	example          string
	required         bool
	nonempty         bool
	minimum, maximum *int64
}

func tagOf(field reflect.StructField) tag {
	t := tag{key: field.Tag.Get("yaml"), description: field.Tag.Get("jsonschema_description")}
	if t.key == "-" {
		t.key = ""
	}
	for part := range strings.SplitSeq(field.Tag.Get("jsonschema"), ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "required":
			t.required = true
		case "default":
			t.fallback = value
		case "example":
			t.example = value
		case "minLength", "minItems", "minProperties":
			t.nonempty = true
		case "minimum":
			t.minimum = number(value)
		case "maximum":
			t.maximum = number(value)
		}
	}
	return t
}

func number(text string) *int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("config: a tag holds " + text + " for a number")
	}
	return &value
}

// limits words the bounds for a hint.
func (t tag) limits() string {
	switch {
	case t.minimum != nil && t.maximum != nil && *t.minimum == *t.maximum:
		return fmt.Sprintf("write %d", *t.minimum)
	case t.minimum != nil && t.maximum != nil:
		return fmt.Sprintf("write a number from %d to %d", *t.minimum, *t.maximum)
	case t.minimum != nil:
		return fmt.Sprintf("write a number from %d on", *t.minimum)
	}
	return ""
}

func fieldOf(t reflect.Type, key string) (index int, ok bool) {
	for i := range t.NumField() {
		if name := tagOf(t.Field(i)).key; name != "" && name == key {
			return i, true
		}
	}
	return 0, false
}

// keysOf returns the keys of a struct in the order of its fields.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if name := tagOf(t.Field(i)).key; name != "" {
			keys = append(keys, name)
		}
	}
	return keys
}

// setDefaults fills the defaults of a struct's tags, also in the structs inside it. A pointer stays nil: its absence
// means something of its own.
func setDefaults(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		t := tagOf(v.Type().Field(i))
		field := v.Field(i)
		switch {
		case t.key == "":
		case field.Kind() == reflect.Struct:
			setDefaults(field)
		case t.fallback != "" && field.Kind() != reflect.Pointer:
			if !(&decoder{}).assign(field, t.fallback) {
				panic("config: the default " + t.fallback + " of " + t.key + " does not fit")
			}
		}
	}
}
