package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxNodes bounds what aliases can multiply.
const maxNodes = 20000

// decoder fills Go values from a document by their yaml and jsonschema tags, and records every problem instead of
// stopping at the first.
type decoder struct {
	doc     *document
	env     Lookup
	anchors map[string]ast.Node
	nodes   int
	full    bool // the limit was reported
}

func (d *decoder) decode(into any) {
	d.anchors = map[string]ast.Node{}
	ast.Walk(collector(d.anchors), d.doc.body)
	v := reflect.ValueOf(into).Elem()
	setDefaults(v)
	d.value(d.doc.body, v, "", 0)
}

// collector gathers the anchors of a document.
type collector map[string]ast.Node

func (c collector) Visit(node ast.Node) ast.Visitor {
	if anchor, ok := node.(*ast.AnchorNode); ok && anchor.Name != nil {
		c[anchor.Name.GetToken().Value] = anchor.Value
	}
	return c
}

// plain follows anchors, aliases and tags to the value itself, and records an alias that leads nowhere.
func (d *decoder) plain(node ast.Node, key string) (found ast.Node, ok bool) {
	found, problem := d.follow(node)
	if problem != "" {
		d.doc.bad(key, problem, "mark the value with &name before it is used as *name")
	}
	return found, problem == ""
}

func (d *decoder) follow(node ast.Node) (found ast.Node, problem string) {
	for range maxDepth {
		switch n := node.(type) {
		case *ast.AnchorNode:
			node = n.Value
		case *ast.TagNode:
			node = n.Value
		case *ast.AliasNode:
			name := n.Value.GetToken().Value
			target, ok := d.anchors[name]
			if !ok {
				return nil, "the alias *" + name + " has no anchor"
			}
			node = target
		default:
			return node, ""
		}
	}
	return nil, "the alias refers to itself"
}

func (d *decoder) value(node ast.Node, v reflect.Value, key string, depth int) {
	d.nodes++
	if d.nodes > maxNodes || depth > maxDepth {
		if !d.full {
			d.doc.bad(key, "aliases make this larger than any configuration", "")
		}
		d.full = true
		return
	}
	node, ok := d.plain(node, key)
	if !ok {
		return
	}
	empty := node == nil || node.Type() == ast.NullType
	if v.Kind() == reflect.Pointer {
		if empty && v.Type().Elem().Kind() != reflect.Struct {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
		setDefaults(v)
	}
	switch {
	case empty && v.Kind() != reflect.Struct:
		return
	case v.Kind() == reflect.Struct:
		d.structure(node, v, key, depth)
	case v.Kind() == reflect.Map:
		d.mapping(node, v, key, depth)
	case v.Kind() == reflect.Slice:
		d.list(node, v, key, depth)
	default:
		d.scalar(node, v, key)
	}
}

func (d *decoder) structure(node ast.Node, v reflect.Value, key string, depth int) {
	entries, ok := d.entries(node, key, depth)
	if !ok {
		d.wrong(node, key, "keys with values: "+strings.Join(keysOf(v.Type()), ", "))
		return
	}
	present := map[string]bool{}
	for _, e := range entries {
		index, known := fieldOf(v.Type(), e.name)
		switch {
		case known:
			present[e.name] = true
			d.mark(join(key, e.name), e)
			d.value(e.value, v.Field(index), join(key, e.name), depth+1)
		case key == "" && strings.HasPrefix(e.name, "x-"):
		default:
			line, column := place(e.key)
			d.doc.add(line, column, key, fmt.Sprintf("unknown key %s", quoted(e.name)), suggest(e.name, keysOf(v.Type()), "keys"))
		}
	}
	for i := range v.NumField() {
		tag := tagOf(v.Type().Field(i))
		if tag.required && !present[tag.key] {
			d.doc.bad(key, fmt.Sprintf("the key %q is missing", tag.key), tag.description)
		}
		if present[tag.key] {
			d.bounds(v.Field(i), tag, join(key, tag.key))
		}
	}
}

func (d *decoder) mapping(node ast.Node, v reflect.Value, key string, depth int) {
	entries, ok := d.entries(node, key, depth)
	if !ok {
		d.wrong(node, key, "names with values, like NAME: {…}")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range entries {
		item := reflect.New(v.Type().Elem()).Elem()
		d.mark(join(key, e.name), e)
		d.value(e.value, item, join(key, e.name), depth+1)
		v.SetMapIndex(reflect.ValueOf(e.name), item)
	}
}

func (d *decoder) list(node ast.Node, v reflect.Value, key string, depth int) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		d.wrong(node, key, "a list: [a, b], or lines that begin with a dash")
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(sequence.Values))
	for i, child := range sequence.Values {
		name := fmt.Sprintf("%s[%d]", key, i)
		at := mark{}
		at.line, at.column = start(child)
		d.doc.marks[name] = at
		plain, ok := d.plain(child, name)
		if !ok {
			continue
		}
		at.text = textOf(plain)
		d.doc.marks[name] = at
		item := reflect.New(v.Type().Elem()).Elem()
		if plain == nil || plain.Type() == ast.NullType {
			d.doc.bad(name, "the item is empty", "write a value, or remove the dash")
			continue
		}
		setDefaults(item)
		d.value(child, item, name, depth+1)
		out = reflect.Append(out, item)
	}
	v.Set(out)
}

// mark remembers where a value stands: a scalar where it begins, anything larger at its key.
func (d *decoder) mark(key string, e entry) {
	at := mark{}
	at.line, at.column = place(e.key)
	if plain, _ := d.follow(e.value); isScalar(plain) {
		at.line, at.column = start(e.value)
		at.text = textOf(plain)
	}
	d.doc.marks[key] = at
}

func (d *decoder) wrong(node ast.Node, key, accepted string) {
	d.doc.bad(key, "found "+describe(node), "write "+accepted)
}

// bounds checks the smallest and largest value of a tag, and that something is given where it has to be.
func (d *decoder) bounds(v reflect.Value, t tag, key string) {
	if slices.ContainsFunc(d.doc.problems, func(p Problem) bool { return p.Key == key }) {
		return
	}
	written := d.doc.marks[key].text
	switch v.Kind() {
	case reflect.Int:
		if written != "" && ((t.minimum != nil && v.Int() < *t.minimum) || (t.maximum != nil && v.Int() > *t.maximum)) {
			d.doc.bad(key, "found "+quoted(written), t.limits())
		}
	case reflect.String, reflect.Map, reflect.Slice:
		if t.nonempty && v.Len() == 0 {
			d.doc.bad(key, "nothing is given", t.description)
		}
	}
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}
