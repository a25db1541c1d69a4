package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits that keep a hostile file from exhausting the parser's stack.
const (
	maxLine  = 4096 // characters
	maxDepth = 100  // levels of brackets, and of aliases inside aliases

	maxProblems = 200 // what is wrong beyond these shows when they are gone
)

// document is a file with the place of every value in it.
type document struct {
	path     string
	text     string
	lines    []string
	body     ast.Node
	marks    map[string]mark
	problems Problems
}

// mark is where a value stands, and how it is written there, before ${VAR} is replaced.
type mark struct {
	line, column int
	text         string
}

func newDocument(path string, text []byte) *document {
	clean := strings.TrimPrefix(string(text), "\ufeff")
	clean = strings.ReplaceAll(clean, "\r\n", "\n")
	return &document{path: path, text: clean, lines: strings.Split(clean, "\n"), marks: map[string]mark{"": {line: 1, column: 1}}}
}

// parse reads the text into body. It is false when there is a problem that leaves nothing to decode.
func (d *document) parse() (ok bool) {
	defer func() {
		if r := recover(); r != nil { // a bug of the parser must not look like one of the promotion
			d.add(1, 1, "", "the file is not YAML that can be read", "")
			ok = false
		}
	}()
	if !d.readable() {
		return false
	}
	file, err := parser.ParseBytes([]byte(d.text), 0)
	if err != nil {
		d.syntax(err)
		return false
	}
	var docs []*ast.DocumentNode
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType && doc.Body.Type() != ast.CommentGroupType {
			docs = append(docs, doc)
		}
	}
	switch {
	case len(docs) == 0:
		d.add(1, 1, "", "the file is empty", "write one with: promote init")
		return false
	case len(docs) > 1:
		line, column := start(docs[1].Body)
		d.add(line, column, "", "the file holds more than one YAML document", "remove the --- line and what follows it")
		return false
	}
	d.body = docs[0].Body
	return true
}

func (d *document) readable() bool {
	depth := 0
	for i, line := range d.lines {
		switch {
		case !utf8.ValidString(line):
			d.add(i+1, 1, "", "the line is not UTF-8 text", "save the file as UTF-8")
			return false
		case utf8.RuneCountInString(line) > maxLine:
			d.add(i+1, 1, "", fmt.Sprintf("the line is longer than %d characters", maxLine), "write the value in several lines")
			return false
		}
		for _, r := range line {
			switch r {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(0, depth-1)
			}
		}
		if depth > maxDepth {
			d.add(i+1, 1, "", fmt.Sprintf("more than %d brackets are open", maxDepth), "close them")
			return false
		}
	}
	return true
}

func (d *document) syntax(err error) {
	line, column := 1, 1
	message := "the file is not valid YAML"
	var at yaml.Error
	if errors.As(err, &at) {
		message = at.GetMessage()
		if tk := at.GetToken(); tk != nil && tk.Position != nil {
			line, column = tk.Position.Line, tk.Position.Column
		}
	}
	message, _, _ = strings.Cut(message, "\n")
	d.add(line, column, "", message, "")
}

// add records a problem at a place.
func (d *document) add(line, column int, key, message, hint string) {
	if len(d.problems) >= maxProblems {
		return
	}
	problem := Problem{File: d.path, Line: max(1, line), Column: max(1, column), Key: key, Message: masked(message), Hint: masked(hint)}
	if problem.Line <= len(d.lines) {
		problem.Source = masked(strings.TrimRight(strings.ToValidUTF8(d.lines[problem.Line-1], "?"), " \t\r"))
		if len(problem.Source) > 4*maxLine {
			problem.Source = ""
		}
	}
	d.problems = append(d.problems, problem)
}

// bad records a problem with the value at key, or with the nearest one around it when that is not in the file.
func (d *document) bad(key, message, hint string) {
	at := d.nearestMark(key)
	d.add(at.line, at.column, key, message, hint)
}

func (d *document) nearestMark(key string) mark {
	for {
		if at, ok := d.marks[key]; ok {
			return at
		}
		cut := strings.LastIndexAny(key, ".[")
		if cut < 0 {
			return d.marks[""]
		}
		key = key[:cut]
	}
}

// has says whether the file has a value at key.
func (d *document) has(key string) bool {
	_, ok := d.marks[key]
	return ok
}

// shown is the value at key as it is written, quoted and cut for a message.
func (d *document) shown(key string) string { return quoted(d.marks[key].text) }

// sorted returns the problems in the order of the file.
func (d *document) sorted() Problems {
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(d.problems, func(a, b Problem) bool { return a == b })
}

func quoted(text string) string {
	if runes := []rune(text); len(runes) > 80 {
		text = string(runes[:77]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// start is where a node begins: a mapping at its first key.
func start(node ast.Node) (line, column int) {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return place(n.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		return place(n.Key.GetToken())
	case nil:
		return 1, 1
	}
	return place(node.GetToken())
}

func place(tk *token.Token) (line, column int) {
	if tk == nil || tk.Position == nil {
		return 1, 1
	}
	return tk.Position.Line, tk.Position.Column
}
