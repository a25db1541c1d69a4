package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// scalar reads one value that is not a list or a mapping. Messages show it as written, never with ${VAR} replaced.
func (d *decoder) scalar(node ast.Node, v reflect.Value, key string) {
	accepted := accepts(v)
	if !isScalar(node) {
		d.wrong(node, key, accepted)
		return
	}
	raw := textOf(node)
	text := raw
	_, literal := node.(*ast.LiteralNode)
	if _, isText := node.(*ast.StringNode); isText || literal {
		var bad []badReference
		text, bad = expand(raw, d.env)
		for _, reference := range bad {
			d.badReference(reference, key)
		}
		if len(bad) > 0 {
			return
		}
	} else if v.Kind() == reflect.String && v.Type() != reflect.TypeFor[Scalar]() && !isClosed(v) {
		d.doc.bad(key, "found "+describe(node), `write text; what looks like something else goes in quotes: "`+raw+`"`)
		return
	}
	if !d.assign(v, text) {
		message := "found " + quoted(raw)
		if text != raw {
			message = quoted(raw) + " has a value that does not fit"
		}
		hint := accepted
		if choices := choicesOf(v); choices != nil {
			if like := nearest(raw, choices); like != "" {
				hint = "did you mean " + like + "? " + "known values: " + strings.Join(choices, ", ")
			}
		}
		if !strings.HasPrefix(hint, "did you") {
			hint = "write " + strings.TrimPrefix(hint, "write ")
		}
		d.doc.bad(key, message, hint)
	}
}

// assign parses text into v; false means that it does not fit.
func (d *decoder) assign(v reflect.Value, text string) bool {
	if parser, ok := v.Addr().Interface().(textual); ok {
		return parser.parse(text) == nil
	}
	switch v.Kind() {
	case reflect.String:
		if choices := choicesOf(v); choices != nil && !slices.Contains(choices, text) {
			return false
		}
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return false
		}
		v.SetBool(text == "true")
	case reflect.Int:
		number, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return false
		}
		v.SetInt(number)
	default:
		panic("config: no way to read a " + v.Type().String())
	}
	return true
}

// badReference records a ${VAR} without a value, at the reference itself where it stands on the value's line.
func (d *decoder) badReference(bad badReference, key string) {
	at := d.doc.nearestMark(key)
	column := at.column
	if at.line <= len(d.doc.lines) {
		line := []rune(d.doc.lines[at.line-1])
		if at.column-1 <= len(line) {
			rest := string(line[at.column-1:])
			if i := strings.Index(rest, bad.reference); i >= 0 {
				column += utf8.RuneCountInString(rest[:i])
			}
		}
	}
	d.doc.add(at.line, column, key, bad.message, bad.hint)
}

// accepts says what a value of this type looks like.
func accepts(v reflect.Value) string {
	if choices := choicesOf(v); choices != nil {
		if len(choices) == 1 {
			return choices[0]
		}
		return "one of: " + strings.Join(choices, ", ")
	}
	if parser, ok := v.Addr().Interface().(textual); ok {
		return parser.parse("\x00").Error()
	}
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	}
	if v.Type() == reflect.TypeFor[Scalar]() {
		return "text, a number, true or false"
	}
	return "text"
}

func choicesOf(v reflect.Value) []string {
	if set, ok := v.Interface().(closed); ok {
		return set.choices()
	}
	return nil
}

func isClosed(v reflect.Value) bool {
	_, ok := v.Interface().(closed)
	if _, parses := v.Addr().Interface().(textual); parses {
		return true
	}
	return ok
}

func isScalar(node ast.Node) bool {
	switch node.(type) {
	case *ast.StringNode, *ast.LiteralNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return true
	}
	return false
}

// textOf is a scalar as it is written, without its quotes.
func textOf(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		if n.Value != nil {
			return n.Value.Value
		}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value
	}
	return ""
}

// describe words what was found for a message.
func describe(node ast.Node) string {
	switch n := node.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + n.GetToken().Value
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.StringNode, *ast.LiteralNode:
		return "the text " + quoted(textOf(n))
	}
	return "something else"
}
