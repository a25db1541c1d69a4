package corpus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/org/promote-action/internal/compare"
)

const root = "../testdata/corpus"

// seeded is one folder of the corpus: what was done to the base, and what has to be found.
type seeded struct {
	Title       string         `json:"title"`
	Change      map[string]any `json:"change"` // a JSON merge patch (RFC 7386) of base.yml
	Expect      []string       `json:"expect"` // findings as "SEVERITY ID" and, behind that, hazards; the ID with * for any run of characters
	Missing     []string       `json:"missing"`
	Verdict     string         `json:"verdict"`      // at most this
	DeletesData bool           `json:"deletes_data"` // has to be found as such, and to block
	Decoy       bool           `json:"decoy"`        // nothing may be raised
	Scratch     bool           `json:"scratch"`      // the databases begin empty, not as base.sql

	area compare.Area
	dir  string
}

func (c seeded) name() string { return string(c.area) + "/" + filepath.Base(c.dir) }

// sql is a file of the case, and whether there is one.
func (c seeded) sql(t *testing.T, name string) (string, bool) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, name))
	if os.IsNotExist(err) {
		return "", false
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data), true
}

// cases reads all folders, in the order of areas and names.
func cases(t *testing.T) []seeded {
	t.Helper()
	var out []seeded
	for _, area := range compare.Areas() {
		dirs, err := filepath.Glob(filepath.Join(root, string(area), "*", "case.yml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range dirs {
			c := seeded{area: area, dir: filepath.Dir(file)}
			decode(t, file, readTree(t, file), &c)
			switch verdict := compare.Verdict(c.Verdict); {
			case c.Title == "":
				t.Fatalf("%s: a case needs a title", file)
			case c.Decoy && (len(c.Expect) > 0 || c.Verdict != "" || c.DeletesData || len(c.Missing) > 0):
				t.Fatalf("%s: a decoy expects nothing", file)
			case !c.Decoy && len(c.Expect) == 0 && len(c.Missing) == 0:
				t.Fatalf("%s: a case expects findings, or what is missing, or is a decoy", file)
			case c.Verdict != "" && !slices.Contains([]compare.Verdict{compare.Caution, compare.NotReady, compare.Unknown}, verdict):
				t.Fatalf("%s: verdict %q: accepted are caution, not-ready and unknown", file, c.Verdict)
			}
			out = append(out, c)
		}
	}
	return out
}

// readTree reads YAML as plain maps, lists and scalars.
func readTree(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return tree
}

// decode takes a tree into a value that knows all of its keys.
func decode(t *testing.T, file string, tree map[string]any, into any) {
	t.Helper()
	data, err := json.Marshal(tree)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// patched is a tree with a JSON merge patch applied: a null takes a key away, a map is merged, all else is replaced.
func patched(tree, patch any) any {
	change, isMap := patch.(map[string]any)
	if !isMap {
		return patch
	}
	before, _ := tree.(map[string]any)
	out := map[string]any{}
	for k, v := range before {
		out[k] = v
	}
	for k, v := range change {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = patched(out[k], v)
		}
	}
	return out
}

// judgement is what a case's comparison came to.
type judgement struct {
	missed []string // of what was expected
	extra  []string // raised, and not expected
}

// judge holds a comparison against what the case expects. A seeded difference may raise nothing but what it names.
func (c seeded) judge(got compare.Comparison) judgement {
	var j judgement
	used := map[string]bool{}
	for _, want := range c.Expect {
		words := strings.SplitN(want, " ", 2)
		if len(words) < 2 {
			j.missed = append(j.missed, "no severity and ID in "+want)
			continue
		}
		id, hazards, _ := strings.Cut(words[1], " [")
		i := slices.IndexFunc(got.Findings, func(f compare.Finding) bool {
			return like(words[0], string(f.Severity)) && like(id, f.ID) && hazardous(f, strings.TrimSuffix(hazards, "]"))
		})
		if i < 0 {
			j.missed = append(j.missed, want)
			continue
		}
		used[got.Findings[i].ID] = true
	}
	for _, want := range c.Missing {
		if !slices.ContainsFunc(got.Objectives, func(o compare.Objective) bool { return o.ID == want && o.Status == "error" }) {
			j.missed = append(j.missed, want+" was not missing")
		}
	}
	if c.Verdict != "" && height(got.Verdict) > height(compare.Verdict(c.Verdict)) {
		j.missed = append(j.missed, fmt.Sprintf("the verdict is %s: %s", got.Verdict, got.Why))
	}
	if c.DeletesData && (got.Verdict != compare.NotReady || !slices.ContainsFunc(got.Findings, func(f compare.Finding) bool { return slices.Contains(f.Hazards, compare.DeletesData) })) {
		j.missed = append(j.missed, "the deletion of data")
	}
	for _, f := range raised(got) {
		if !used[f.ID] {
			j.extra = append(j.extra, said(f))
		}
	}
	if c.Decoy && got.Verdict != compare.Ready {
		j.extra = append(j.extra, fmt.Sprintf("the verdict is %s: %s", got.Verdict, got.Why))
	}
	return j
}

// raised are the findings that lower something.
func raised(c compare.Comparison) []compare.Finding {
	return slices.DeleteFunc(slices.Clone(c.Findings), func(f compare.Finding) bool { return f.Severity == compare.Info })
}

func said(f compare.Finding) string {
	return fmt.Sprintf("%s %s %v: %s", f.Severity, f.ID, f.Hazards, f.Message)
}

func hazardous(f compare.Finding, want string) bool {
	for h := range strings.FieldsSeq(want) {
		if !slices.Contains(f.Hazards, compare.Hazard(h)) {
			return false
		}
	}
	return true
}

func height(v compare.Verdict) int {
	return slices.Index([]compare.Verdict{compare.NotReady, compare.Unknown, compare.Caution, compare.Ready}, v)
}

// like says whether a text is a pattern's, in which * stands for any run of characters.
func like(pattern, text string) bool {
	head, tail, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, head)
	for i := 0; ok && i <= len(rest); i++ {
		if like(tail, rest[i:]) {
			return true
		}
	}
	return false
}

// folders counts the cases of an area on the disk, and the decoys among them.
func folders(t *testing.T, all []seeded, area compare.Area) (differences, decoys int) {
	t.Helper()
	entries, err := fs.ReadDir(os.DirFS(root), string(area))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		switch {
		case c.area != area:
		case c.Decoy:
			decoys++
		default:
			differences++
		}
	}
	found := 0
	for _, e := range entries {
		if e.IsDir() {
			found++
		}
	}
	if found != differences+decoys {
		t.Errorf("%d folders in %s, %d of them with a case.yml", found, area, differences+decoys)
	}
	return differences, decoys
}
