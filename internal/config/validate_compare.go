package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/compare"
)

// Bounds of sampling: what is shorter says nothing, what is longer is no comparison but a load test.
const (
	shortestSampling = time.Second
	longestSampling  = 10 * time.Minute
)

func (v *validator) compare() {
	v.weights()
	c := v.cfg.Compare
	for _, list := range []struct {
		key      string
		patterns []string
	}{{"secret", c.Secret}, {"differ", c.Differ}, {"equal", c.Equal}, {"ignore", c.Ignore}, {"reference", c.Reference}} {
		for i, pattern := range list.patterns {
			key := fmt.Sprintf("compare.%s[%d]", list.key, i)
			switch {
			case strings.TrimSpace(pattern) == "":
				v.bad(key, "write a name, or a pattern with * for any run of characters", "found %s", v.doc.shown(key))
			case list.key == "reference" && strings.Count(pattern, ".") == 0 && pattern != "*":
				v.bad(key, "write schema.table, like public."+pattern, "%s names no schema", v.doc.shown(key))
			}
		}
	}
	v.opposites(c)
	for i, a := range c.Accepted {
		if key := fmt.Sprintf("compare.accepted[%d].reason", i); a.Reason != "" && strings.TrimSpace(a.Reason) == "" {
			v.bad(key, "write why it is accepted", "found %s", v.doc.shown(key))
		}
	}
	v.flagSources(c.Flags)
	v.performance(c.Performance)
}

func (v *validator) weights() {
	var known []string
	for _, o := range compare.Objectives() {
		known = append(known, o.ID)
	}
	for _, id := range sortedKeys(v.cfg.Policy.Weights) {
		key := "policy.weights." + id
		switch weight := v.cfg.Policy.Weights[id]; {
		case !slices.Contains(known, id):
			v.bad(key, suggest(id, known, "objectives"), "no objective %s", quoted(id))
		case weight < 0 || weight > 1000:
			v.bad(key, "write a number from 0 to 1000; 0 takes it out of the score", "found %s", v.doc.shown(key))
		}
	}
}

// opposites finds keys that have to differ and to be equal.
func (v *validator) opposites(c Compare) {
	for i, pattern := range c.Differ {
		if key := fmt.Sprintf("compare.differ[%d]", i); slices.Contains(c.Equal, pattern) && !v.failed(key) {
			v.bad(key, "keep it in one of the two", "%s is in differ and in equal", v.doc.shown(key))
		}
	}
}

func (v *validator) flagSources(sources []FlagSource) {
	names := map[string]bool{}
	for i, s := range sources {
		key := fmt.Sprintf("compare.flags[%d]", i)
		if names[s.Name] && s.Name != "" {
			v.bad(key+".name", "reports tell sources apart by their names: give this one another", "the name %s is taken", v.doc.shown(key+".name"))
		}
		names[s.Name] = true
		if !v.failed(key) {
			v.flagSource(key, s)
		}
	}
}

// flagKeys are the keys that a kind of source has beside name and kind.
func flagKeys(kind FlagKind) []string {
	switch kind {
	case EnvFlags:
		return []string{"service", "prefix"}
	case FileFlags:
		return []string{"service", "path", "field"}
	case TableFlags:
		return []string{"database", "query"}
	default:
		return []string{"service", "port", "path", "url", "field", "header"}
	}
}

var tokenHeader = regexp.MustCompile(`(?i)authorization|token|key|secret|cookie|password`)

func (v *validator) flagSource(key string, s FlagSource) {
	for _, k := range []string{"service", "prefix", "port", "path", "url", "field", "database", "query", "header"} {
		if v.doc.has(key+"."+k) && !slices.Contains(flagKeys(s.Kind), k) {
			v.bad(key+"."+k, "of "+string(s.Kind)+" are known: "+strings.Join(flagKeys(s.Kind), ", "), "the kind %s has no %s", s.Kind, k)
			return
		}
	}
	need := func(k, value, hint string) {
		if value == "" && !v.failed(key) {
			v.bad(key, hint, "the key %q is missing", k)
		}
	}
	switch s.Kind {
	case EnvFlags:
		need("prefix", s.Prefix, "say how the names of the variables begin: prefix: FEATURE_")
	case FileFlags:
		need("service", s.Service, "name the service whose container has the file")
		need("path", s.Path, "name the file in the container: path: /etc/flags.json")
	case TableFlags:
		need("query", s.Query, "write a statement that yields a name and a value: query: SELECT name, enabled FROM flags")
		if s.Query != "" {
			v.sqlCheck(key, SQLCheck{Database: s.Database, Query: s.Query})
		}
	default:
		v.flagRequest(key, s)
	}
	v.path(key+".path", s.Path)
}

func (v *validator) flagRequest(key string, s FlagSource) {
	switch {
	case s.URL == "" && s.Service == "":
		v.bad(key, "add service: NAME with path: /…, or url: https://…", "it is not said whom to ask")
	case s.URL != "" && (s.Service != "" || v.doc.has(key+".path") || v.doc.has(key+".port")):
		v.bad(key+".url", "keep url, or service with port and path", "both url and service, port or path are given")
	case s.URL != "":
		if u, err := url.Parse(s.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			v.bad(key+".url", "write https://host/path or http://host:port/path", "found %s", v.doc.shown(key+".url"))
		}
	case s.Path == "":
		v.bad(key, "add the path that is asked for, or the file: path: /flags", "the key %q is missing", "path")
	}
	for _, name := range sortedKeys(s.Header) {
		at := key + ".header." + name
		if tokenHeader.MatchString(name) && !strings.Contains(v.doc.marks[at].text, "${") {
			v.bad(at, "write it as ${VAR}, and set the variable where promote runs", "a token is written in the file")
		}
	}
}

func (v *validator) performance(p Performance) {
	const key = "compare.performance"
	if d := time.Duration(p.Duration); (d < shortestSampling || d > longestSampling) && !v.failed(key+".duration") {
		v.bad(key+".duration", fmt.Sprintf("write a duration from %s to %s", shortestSampling, longestSampling), "found %s", v.doc.shown(key+".duration"))
	}
	for i, e := range p.Endpoints {
		v.path(fmt.Sprintf("%s.endpoints[%d].path", key, i), e.Path)
	}
}
