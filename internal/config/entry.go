package config

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// entry is one key of a mapping with its value.
type entry struct {
	name  string
	key   *token.Token
	value ast.Node
}

// entries returns what a mapping holds, with merge keys (<<) resolved: a key of the mapping itself wins. A missing node
// is an empty mapping; ok is false for anything else.
func (d *decoder) entries(node ast.Node, key string, depth int) (found []entry, ok bool) {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case nil, *ast.NullNode:
		return nil, true
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		return nil, false
	}
	seen := map[string]bool{}
	var merges []ast.Node
	for _, pair := range pairs {
		if pair.Key.IsMergeKey() {
			merges = append(merges, pair.Value)
			continue
		}
		tk := pair.Key.GetToken()
		name := tk.Value
		if explicit, isExplicit := pair.Key.(*ast.MappingKeyNode); isExplicit && explicit.Value != nil {
			tk = explicit.Value.GetToken()
			name = tk.Value
		}
		if seen[name] {
			line, column := place(tk)
			d.doc.add(line, column, key, "the key "+quoted(name)+" is given twice", "keep one of them")
			continue
		}
		seen[name] = true
		found = append(found, entry{name, tk, pair.Value})
	}
	for _, merged := range merges {
		for _, e := range d.merged(merged, key, depth) {
			if !seen[e.name] {
				seen[e.name] = true
				found = append(found, e)
			}
		}
	}
	return found, true
}

func (d *decoder) merged(node ast.Node, key string, depth int) []entry {
	d.nodes++
	if depth > maxDepth || d.nodes > maxNodes {
		return nil
	}
	plain, ok := d.plain(node, key)
	if !ok {
		return nil
	}
	if list, ok := plain.(*ast.SequenceNode); ok {
		var all []entry
		for _, item := range list.Values {
			all = append(all, d.merged(item, key, depth+1)...)
		}
		return all
	}
	found, ok := d.entries(plain, key, depth+1)
	if !ok {
		line, column := start(node)
		d.doc.add(line, column, key, "found "+describe(plain)+" to merge", "write an alias of a mapping: <<: *name")
	}
	return found
}
