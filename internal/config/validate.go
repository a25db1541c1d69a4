package config

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// validator checks what a single value cannot say about itself: that names refer to something, that keys fit together,
// and that nothing is given twice. Its messages quote the file as written, so that no value of a ${VAR} is shown.
type validator struct {
	cfg   *Config
	doc   *document
	files bool // look for the named files too
}

func (v *validator) run() {
	v.names("environments", sortedKeys(v.cfg.Environments))
	v.names("databases", sortedKeys(v.cfg.Databases))
	v.environments()
	v.databases()
	for _, name := range sortedKeys(v.cfg.Services) {
		v.service("services."+name, v.cfg.Services[name])
	}
	v.checks()
	v.policy()
	v.compare()
	v.backup()
}

func (v *validator) bad(key, hint, format string, args ...any) {
	v.doc.bad(key, fmt.Sprintf(format, args...), hint)
}

// validName is what the names of environments and databases look like: they become part of file names.
var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func (v *validator) names(key string, names []string) {
	for _, n := range names {
		if !validName.MatchString(n) {
			v.bad(key+"."+n, "write small letters, digits, - and _, beginning with a letter or a digit", "the name %s cannot be used", quoted(n))
		}
	}
}

// service checks one entry of services.
func (v *validator) service(key string, s *Service) {
	if s == nil {
		return
	}
	v.path(key+".health.http", s.Health.HTTP)
	v.path(key+".version.http", s.Version.HTTP)
	if s.Health.HTTP != "" && s.Health.TCP {
		v.bad(key+".health.tcp", "keep one of them: http also shows that the port is open", "both http and tcp are given")
	}
	if s.Version.Field != "" && s.Version.HTTP == "" {
		v.bad(key+".version.field", "add the path: http: /version", "a field is given, but not the path to ask")
	}
	v.positive(key+".startup_timeout", s.StartupTimeout)
	v.positive(key+".thresholds.p95", s.Thresholds.P95)
}

func (v *validator) path(key, value string) {
	if value != "" && !strings.HasPrefix(value, "/") {
		v.bad(key, "write a path that begins with /, like /healthz", "found %s", v.doc.shown(key))
	}
}

func (v *validator) positive(key string, d Duration) {
	if d == 0 && v.doc.marks[key].text != "" && !v.failed(key) {
		v.bad(key, "write a duration above zero, or remove the key", "found %s", v.doc.shown(key))
	}
}

// failed says whether the value at key, or one inside it, has a problem already.
func (v *validator) failed(key string) bool {
	return slices.ContainsFunc(v.doc.problems, func(p Problem) bool {
		return p.Key == key || strings.HasPrefix(p.Key, key+".") || strings.HasPrefix(p.Key, key+"[")
	})
}

func (v *validator) policy() {
	p := v.cfg.Policy
	if p.Caution > p.Ready && !v.failed("policy.ready") && !v.failed("policy.caution") {
		key := "policy.caution"
		if !v.doc.has(key) {
			key = "policy.ready"
		}
		v.bad(key, "caution is the lower of the two scores", "caution is above ready")
	}
	for i, branch := range p.Branches {
		key := fmt.Sprintf("policy.branches[%d]", i)
		if _, err := path.Match(branch, ""); err != nil || branch == "" {
			v.bad(key, "write the name of a branch, or a pattern like release/*", "found %s", v.doc.shown(key))
		}
	}
	v.positive("policy.deadline", p.Deadline)
	v.positive("policy.phase_deadline", p.PhaseDeadline)
	if p.Settle >= p.Deadline && p.Deadline > 0 && !v.failed("policy") {
		v.bad("policy.settle", "the deadline holds the settling time and everything else from shutdown on", "settle is not shorter than deadline")
	}
}

func (v *validator) backup() {
	for i, recipient := range v.cfg.Backup.Recipients {
		key := fmt.Sprintf("backup.recipients[%d]", i)
		switch {
		case strings.HasPrefix(strings.ToUpper(recipient), "AGE-SECRET-KEY-"):
			v.bad(key, "write the public key (age1…): age-keygen -y FILE prints it; the private one must not be in this file", "a private key is given")
		case !strings.HasPrefix(recipient, "age1") && !strings.HasPrefix(recipient, "ssh-ed25519 ") && !strings.HasPrefix(recipient, "ssh-rsa "):
			v.bad(key, "write an age public key (age1…) or an SSH public key (ssh-ed25519 …, ssh-rsa …)", "found %s", v.doc.shown(key))
		}
	}
	if v.files && v.cfg.Backup.Directory != "" {
		v.folder("backup.directory", v.cfg.Backup.Directory, true)
	}
}

// CheckServices compares the services that the configuration names with those that an environment's Compose model has.
// The error is Problems with the place of every name that is missing.
func (c *Config) CheckServices(environment string, known []string) error {
	doc := &document{path: c.doc.path, lines: c.doc.lines, marks: c.doc.marks}
	v := &validator{cfg: c, doc: doc}
	known = slices.Sorted(slices.Values(known))
	need := func(key, service string) {
		if service != "" && !slices.Contains(known, service) {
			shown := quoted(service)
			if strings.Contains(doc.marks[key].text, "${") {
				shown = doc.shown(key)
			}
			v.bad(key, suggest(service, known, "services"), "%s has no service %s", environment, shown)
		}
	}
	for _, name := range sortedKeys(c.Services) {
		need("services."+name, name)
	}
	for _, name := range c.databaseNames() {
		if env := c.Environments[environment]; env != nil {
			key := "databases." + name + ".service"
			if over := "environments." + environment + "." + key; doc.has(over) {
				key = over
			}
			need(key, c.databasesOf(env)[name].Service)
		}
	}
	v.eachCheck(func(key string, check Check) {
		if check.HTTP != nil && (check.Environment == "" || check.Environment == environment) {
			need(key+".http.service", check.HTTP.Service)
		}
	})
	for i, f := range c.Compare.Flags {
		need(fmt.Sprintf("compare.flags[%d].service", i), f.Service)
	}
	for i, e := range c.Compare.Performance.Endpoints {
		need(fmt.Sprintf("compare.performance.endpoints[%d].service", i), e.Service)
	}
	if len(doc.problems) == 0 {
		return nil
	}
	return doc.sorted()
}
