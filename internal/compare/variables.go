package compare

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// equalKeys are keys whose values mean the same everywhere.
func equalKeys() []string {
	return []string{"TZ", "LANG", "LC_*", "*TIMEZONE", "*LOCALE", "*CHARSET", "*ENCODING", "*ALGORITHM", "*API_VERSION", "*SCHEMA_VERSION", "CURRENCY", "*_CURRENCY"}
}

// storeKeys are keys that name where data is kept.
func storeKeys() []string {
	return []string{"*DATABASE*", "*DB_*", "*_DB", "PG*", "*POSTGRES*", "*MYSQL*", "*MONGO*", "*REDIS*", "*AMQP*", "*RABBIT*", "*KAFKA*", "*QUEUE*", "*BUCKET*", "*S3*", "*ELASTIC*"}
}

// publicKeys are keys of ports that are published on the engine's host.
func publicKeys() []string {
	return []string{"*PUBLIC*PORT*", "*PUBLISH*PORT*", "*EXTERNAL*PORT*", "*HOST_PORT*"}
}

// variables compares the variables of one service. Those of a datastore that a promotion keeps inform only, where they
// are missing.
func (c *configurations) variables(service string, kept bool, fromConfig, toConfig snapshot.Config, toVariables []snapshot.Variable) {
	from, to := byName(fromConfig.Variables), byName(toVariables)
	var names []string
	for name := range from {
		names = append(names, name)
	}
	for name := range to {
		names = append(names, name)
	}
	for _, name := range sorted(names) {
		f, isFrom := from[name]
		t, isTo := to[name]
		v := variable{configurations: c, service: service, name: name, from: f, to: t}
		if v.rule(c.in.Rules.Ignore) {
			continue
		}
		whole, isPart := strings.CutSuffix(name, passwordPart)
		_, wholeThere := to[whole]
		switch {
		case isPart && isFrom && !isTo && wholeThere && !f.Empty:
			v.report("configuration.keys", "password-missing", Warn, fmt.Sprintf("%s of %s has a password in %s and none in %s", whole, service, c.in.From.Environment, c.in.To.Environment), "look whether the target lets the service in without one")
		case isFrom && (!isTo || t.Empty && !f.Empty):
			v.missing(kept, isTo, givenOtherwise(name, to, toConfig))
		case !isFrom && !t.Image:
			if givenOtherwise(name, from, fromConfig) == "" {
				v.report("configuration.keys", "key-extra", Info, fmt.Sprintf("%s of %s is set in %s alone", name, service, c.in.To.Environment), "")
			}
		case isFrom && isTo && !(f.Image && t.Image):
			v.values()
		}
		if isTo && t.Weak != "" && v.secret() {
			v.report("configuration.own", "secret-weak", Warn, fmt.Sprintf("secret %s of %s in %s is weak: %s", name, service, c.in.To.Environment, t.Weak), "give it a random value of its own")
		}
	}
}

func byName(variables []snapshot.Variable) map[string]snapshot.Variable {
	out := map[string]snapshot.Variable{}
	for _, v := range variables {
		known, twice := out[v.Name]
		if !twice || v.Value+v.Hash < known.Value+known.Hash {
			out[v.Name] = v
		}
	}
	return out
}

// passwordPart follows the name of a variable whose value holds a password, for that password alone.
const passwordPart = "#password"

// givenOtherwise says how else a program is given a key: as the file that NAME_FILE names, as NAME where NAME_FILE is
// asked for, or as a mounted secret of that name.
func givenOtherwise(name string, variables map[string]snapshot.Variable, config snapshot.Config) string {
	name = strings.TrimSuffix(name, passwordPart)
	other := name + "_FILE"
	if base, isFile := strings.CutSuffix(name, "_FILE"); isFile {
		other = base
	}
	if v, ok := variables[other]; ok && !v.Empty {
		return other
	}
	for _, m := range config.Mounts {
		if base := m.Target[strings.LastIndexByte(m.Target, '/')+1:]; m.Type == "secret" && strings.EqualFold(base, name) {
			return m.Target
		}
	}
	return ""
}

// variable is one variable of a service on both sides.
type variable struct {
	*configurations
	service, name string
	from, to      snapshot.Variable
}

func (v variable) secret() bool {
	return v.from.Secret || v.to.Secret || v.rule(v.in.Rules.Secret)
}

// report takes a finding about the variable, without the values of a secret.
func (v variable) report(objective, kind string, severity Severity, message, do string) {
	from, to := v.from.Value, v.to.Value
	if v.secret() {
		from, to = "", ""
	}
	v.configurations.report(objective, kind, v.service+"."+v.name, severity, from, to, message, do)
}

func (v variable) missing(kept, empty bool, otherwise string) {
	environment := v.in.To.Environment
	state := "missing"
	if empty {
		state = "empty"
	}
	switch {
	case v.from.Image: // comes with the image
	case otherwise != "":
		v.report("configuration.keys", "key-elsewhere", Info, fmt.Sprintf("%s of %s is given as %s in %s", v.name, v.service, otherwise, environment), "")
	case v.from.Empty:
		v.report("configuration.keys", "key-missing", Info, fmt.Sprintf("%s of %s is set to nothing in %s and missing in %s", v.name, v.service, v.in.From.Environment, environment), "")
	case kept:
		v.report("configuration.keys", "key-"+state, Info, fmt.Sprintf("%s of the datastore %s is %s in %s; a datastore is kept as it is", v.name, v.service, state, environment), "")
	case v.secret():
		v.report("configuration.secrets", "secret-"+state, Fail, fmt.Sprintf("secret %s of %s is %s in %s", v.name, v.service, state, environment),
			fmt.Sprintf("set %s for %s in the target's files, or list it under compare.ignore where it is not needed there", v.name, v.service))
	default:
		severity := Warn
		if v.from.Kind == "url" || v.from.Kind == "host" || v.rule(v.in.Rules.Equal) || v.rule(v.in.Rules.Differ) {
			severity = Fail
		}
		v.report("configuration.keys", "key-"+state, severity, fmt.Sprintf("%s of %s is %s in %s", v.name, v.service, state, environment),
			fmt.Sprintf("set %s for %s in the target's files, or list it under compare.ignore where it is not needed there", v.name, v.service))
	}
}

// rule says whether the variable is one of the patterns': its name, alone or behind its service's. What is said of a
// variable holds for the password in it.
func (v variable) rule(patterns []string) bool {
	whole := strings.TrimSuffix(v.name, passwordPart)
	return slices.ContainsFunc([]string{v.name, v.service + "." + v.name, whole, v.service + "." + whole}, func(name string) bool { return matches(patterns, name) })
}

// values compares two that are there.
func (v variable) values() {
	equal, known := v.equal()
	mustDiffer, mustEqual := v.rule(v.in.Rules.Differ), v.rule(v.in.Rules.Equal)
	own := (v.secret() && !mustEqual || mustDiffer) && !v.sameEnvironment()
	switch {
	case !known:
		objective := "configuration.own"
		if mustEqual {
			objective = "configuration.same"
		}
		if own || mustEqual {
			v.miss(fmt.Sprintf("the secret %s of %s cannot be compared: the two sides were read with different keys", v.name, v.service), "give both readings the same PROMOTE_COMPARE_KEY", objective)
		}
	case equal && own && v.secret():
		severity := Warn
		if mustDiffer {
			severity = Fail
		}
		v.report("configuration.own", "secret-shared", severity, fmt.Sprintf("secret %s of %s is the same in %s and %s", v.name, v.service, v.in.From.Environment, v.in.To.Environment),
			"give the target a value of its own, or list it under compare.equal")
	case equal && own:
		v.report("configuration.own", "value-shared", Fail, fmt.Sprintf("%s of %s must differ and is the same in %s and %s", v.name, v.service, v.in.From.Environment, v.in.To.Environment), "give the target a value of its own")
	case !equal && mustEqual:
		v.report("configuration.same", "value-differs", Fail, fmt.Sprintf("%s of %s must be the same on both sides and differs", v.name, v.service), "bring both to one value")
	case v.secret():
	default:
		v.visible(equal, mustEqual)
	}
}

// visible compares values that may be shown, where no rule has decided.
func (v variable) visible(equal, mustEqual bool) {
	if why, severity, kind := v.foreign(equal); kind != "" && !mustEqual && !v.sameEnvironment() {
		v.report("configuration.own", kind, severity, why, "give the target a value of its own, or list it under compare.equal")
		return
	}
	typed := []string{"number", "port", "url", "flag"}
	switch {
	case equal:
	case v.from.Kind != v.to.Kind && slices.Contains(typed, v.from.Kind) && !v.to.Empty && !v.from.Empty:
		v.report("configuration.same", "value-kind", Warn, fmt.Sprintf("%s of %s is a %s in %s and a %s in %s", v.name, v.service, v.from.Kind, v.in.From.Environment, v.to.Kind, v.in.To.Environment), "look whether the target's value is what the program expects")
	case matches(equalKeys(), v.name):
		v.report("configuration.same", "value-differs", Warn, fmt.Sprintf("%s of %s differs, where both sides are expected to agree", v.name, v.service), "bring both to one value, or list it under compare.differ")
	default:
		v.report("configuration.same", "value-differs", Info, fmt.Sprintf("%s of %s differs", v.name, v.service), "")
	}
}

// foreign says why a value of the target is not its own.
func (v variable) foreign(equal bool) (why string, severity Severity, kind string) {
	value := v.to.Value
	located := v.to.Kind == "host" || v.to.Kind == "url"
	words := tokensOf(value)
	for _, token := range v.tokens {
		switch {
		case !slices.Contains(words, token) || v.to.Kind == "path":
		case located:
			return fmt.Sprintf("%s of %s in %s points at %s", v.name, v.service, v.in.To.Environment, v.in.From.Environment), Fail, "points-at-source"
		case equal:
			return fmt.Sprintf("%s of %s is the same on both sides and names %s", v.name, v.service, v.in.From.Environment), Warn, "value-shared"
		}
	}
	switch {
	case equal && located && matches(storeKeys(), v.name) && v.outside(value):
		return fmt.Sprintf("%s of %s names one store for both environments", v.name, v.service), Warn, "store-shared"
	case equal && v.to.Kind == "port" && matches(publicKeys(), v.name) && v.in.From.Engine.ID == v.in.To.Engine.ID:
		return fmt.Sprintf("%s of %s is one port of one engine for both environments", v.name, v.service), Warn, "value-shared"
	}
	return "", "", ""
}

// outside says whether a host is none of the stack's own.
func (v variable) outside(value string) bool {
	host := value
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		host = u.Host
	}
	host, _, _ = strings.Cut(host, ":")
	_, own := v.in.To.Service(host)
	return !own && host != "" && host != "localhost" && !strings.HasPrefix(host, "127.") && !strings.HasPrefix(host, "/")
}

// equal compares the two values: secrets by their hashes, which is only possible where one key made both.
func (v variable) equal() (equal, known bool) {
	switch {
	case v.from.Empty || v.to.Empty:
		return v.from.Empty == v.to.Empty, true
	case !v.secret(), v.from.Hash == "" && v.to.Hash == "" && v.from.Value != "" && v.to.Value != "":
		return v.from.Value == v.to.Value, true
	case !v.compared || v.from.Hash == "" || v.to.Hash == "":
		return false, false
	default:
		return v.from.Hash == v.to.Hash, true
	}
}
