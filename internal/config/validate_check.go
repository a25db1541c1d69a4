package config

import (
	"fmt"
	"net/url"
	"strings"
)

// eachCheck calls f with every custom check and its place: those of the whole system first.
func (v *validator) eachCheck(f func(key string, check Check)) {
	for i, check := range v.cfg.Checks {
		f(fmt.Sprintf("checks[%d]", i), check)
	}
	for _, name := range sortedKeys(v.cfg.Services) {
		if service := v.cfg.Services[name]; service != nil {
			for i, check := range service.Checks {
				check.Service = name
				f(fmt.Sprintf("services.%s.checks[%d]", name, i), check)
			}
		}
	}
}

func (v *validator) checks() {
	names := map[string]string{}
	v.eachCheck(func(key string, check Check) {
		if first, taken := names[check.Name]; taken && check.Name != "" {
			v.bad(key+".name", "reports tell checks apart by their names: give this one another", "%s already has the name %s", first, v.doc.shown(key+".name"))
		} else {
			names[check.Name] = key
		}
		if check.Environment != "" && v.cfg.Environments[check.Environment] == nil {
			hint := "known environments: " + strings.Join(v.cfg.EnvironmentNames(), ", ")
			if !strings.Contains(v.doc.marks[key+".environment"].text, "${") {
				hint = suggest(check.Environment, v.cfg.EnvironmentNames(), "environments")
			}
			v.bad(key+".environment", hint, "no environment %s", v.doc.shown(key+".environment"))
		}
		v.positive(key+".timeout", check.Timeout)
		v.checkKind(key, check)
	})
}

func (v *validator) checkKind(key string, check Check) {
	var kinds []string
	for _, kind := range []string{"http", "sql", "command"} {
		if v.doc.has(key + "." + kind) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) != 1 && !v.failed(key) {
		found := "none of http, sql and command is given"
		if len(kinds) > 1 {
			found = strings.Join(kinds, " and ") + " are given"
		}
		v.bad(key, "a check is exactly one of http, sql and command", "%s", found)
		return
	}
	if check.HTTP != nil {
		v.httpCheck(key+".http", *check.HTTP, check.Service)
	}
	if check.SQL != nil {
		v.sqlCheck(key+".sql", *check.SQL)
	}
	if len(check.Command) > 0 && check.Command[0] == "" && !v.failed(key+".command") {
		v.bad(key+".command[0]", "write the name of a program", "the program is empty")
	}
}

func (v *validator) httpCheck(key string, check HTTPCheck, owner string) {
	v.path(key+".path", check.Path)
	switch {
	case v.failed(key):
	case check.URL == "" && check.Service == "" && owner == "":
		v.bad(key, "add service: NAME, or url: https://…", "the check does not say whom to ask")
	case check.URL != "" && check.Service != "":
		v.bad(key+".url", "keep url, or service with path", "both url and service are given")
	case check.URL != "" && (v.doc.has(key+".path") || v.doc.has(key+".port")):
		v.bad(key+".url", "make port and path part of the URL", "both url and port or path are given")
	case check.URL != "":
		if u, err := url.Parse(check.URL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
			v.bad(key+".url", "write https://host/path or http://host:port/path", "found %s", v.doc.shown(key+".url"))
		}
	}
}

func (v *validator) sqlCheck(key string, check SQLCheck) {
	names := v.cfg.databaseNames()
	switch _, known := v.cfg.Databases[check.Database]; {
	case check.Database == "" && len(names) > 1 && !v.failed(key):
		v.bad(key, "add database: "+strings.Join(names, " or "), "there is more than one database, and the check names none")
	case check.Database == "", known, v.failed(key + ".database"):
	case strings.Contains(v.doc.marks[key+".database"].text, "${"):
		v.bad(key+".database", "known databases: "+strings.Join(names, ", "), "no database %s", v.doc.shown(key+".database"))
	default:
		v.bad(key+".database", suggest(check.Database, names, "databases"), "no database %s", v.doc.shown(key+".database"))
	}
}
