package check

import (
	"bytes"
	"context"
	"net/url"
	"strings"

	"github.com/org/promote-action/internal/promotion"
)

// customTests are what the project itself wants to be asked.
func customTests(s Subject) []Test {
	var tests []Test
	for _, c := range s.Custom {
		t := Test{Name: c.Name, Critical: c.Critical, Timeout: c.Timeout}
		switch {
		case c.HTTP != nil:
			t.Service = c.HTTP.Service
			t.Run = func(ctx context.Context) promotion.Check { return s.customHTTP(ctx, *c.HTTP) }
		case c.SQL != nil:
			t.Run = func(ctx context.Context) promotion.Check { return s.customSQL(ctx, *c.SQL) }
		case c.Command != nil:
			t.Run = func(ctx context.Context) promotion.Check { return s.customCommand(ctx, *c.Command) }
		default:
			t.Run = func(context.Context) promotion.Check { return unknown("has no request, no query and no command") }
		}
		tests = append(tests, t)
	}
	return tests
}

func (s Subject) customHTTP(ctx context.Context, h HTTP) promotion.Check {
	judge := func(r response) promotion.Check { return h.judge(r) }
	if h.URL != "" {
		u, err := url.Parse(h.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return unknown("%q is no URL (accepted: http://… or https://…)", line(h.URL, 100))
		}
		return ask(ctx, endpoint{url: u, agent: s.Defaults.Version}, h.Status, judge)
	}
	svc, ok := s.service(h.Service)
	if !ok {
		return unknown("the environment has no service %q (accepted: %s)", line(h.Service, 100), strings.Join(s.serviceNames(), ", "))
	}
	return s.replicas(ctx, svc, h.Port, h.Path, h.Status, func(_ Container, r response) promotion.Check { return judge(r) })
}

func (s Subject) serviceNames() []string {
	var names []string
	for _, svc := range s.Services {
		names = append(names, svc.Name)
	}
	return names
}

// judge compares an answer of the right status with what its text and its JSON have to be.
func (h HTTP) judge(r response) promotion.Check {
	bad := func(format string, args ...any) promotion.Check {
		c := failed(format, args...)
		c.Detail = tail(r.body)
		return c
	}
	if h.Contains != "" && !bytes.Contains(r.body, []byte(h.Contains)) {
		return bad("answered %s without the text %q", r, line(h.Contains, 100))
	}
	if h.JSON != "" {
		got, err := field(r.body, h.JSON)
		switch {
		case err != nil:
			return bad("%s", line(err.Error(), tailWidth))
		case got != h.Equals:
			return bad("%s is %q, expected %q", h.JSON, line(got, 100), line(h.Equals, 100))
		}
	}
	return passed("answered %s in %s", r, short(r.took))
}

func (s Subject) customSQL(ctx context.Context, q SQL) promotion.Check {
	db, ok := s.database(q.Database)
	if !ok && q.Database == "" && len(s.Databases) == 1 {
		db, ok = s.Databases[0], true
	}
	if !ok {
		var names []string
		for _, d := range s.Databases {
			names = append(names, d.Name)
		}
		return unknown("the environment has no database %q (accepted: %s)", line(q.Database, 100), strings.Join(names, ", "))
	}
	if db.Reader == nil {
		return unknown("there is no connection to ask: %s", db.problem())
	}
	rows, err := db.Reader.Query(ctx, q.Query)
	if err != nil {
		return failed("%s", line(plain(err).Error(), tailWidth))
	}
	var lines []string
	for _, r := range rows {
		lines = append(lines, strings.Join(r, "|"))
	}
	got := strings.Join(lines, "\n")
	if q.Expect != nil && got != strings.TrimRight(*q.Expect, "\n") {
		c := failed("answered %q, expected %q", line(got, 100), line(*q.Expect, 100))
		c.Detail = tail([]byte(got))
		return c
	}
	return passed("answered %s", plural(len(rows), "row", "rows"))
}

func (s Subject) customCommand(ctx context.Context, c Command) promotion.Check {
	if len(c.Args) == 0 {
		return unknown("its command is empty")
	}
	if s.Commander == nil {
		return unknown("only the driver can run a command, and it is not there")
	}
	code, output, err := s.Commander.Command(ctx, c)
	name := line(c.Args[0], 100)
	var result promotion.Check
	switch {
	case err != nil:
		result = unknown("%s: %s", name, line(err.Error(), tailWidth))
	case code != 0:
		result = failed("%s ended with code %d", name, code)
	default:
		return passed("%s ended with code 0", name)
	}
	result.Detail = tail([]byte(output))
	return result
}
