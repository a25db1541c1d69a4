package compare

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

const runtimeObjective = "configuration.runtime"

// mounts compares mounted volumes, folders and files by where they are in the container.
func (c *configurations) mounts(service string, from, to snapshot.Config) {
	fromMounts, toMounts := byTarget(from.Mounts), byTarget(to.Mounts)
	targets := slices.Concat(slices.Collect(maps.Keys(fromMounts)), slices.Collect(maps.Keys(toMounts)))
	for _, target := range sorted(targets) {
		if matches(c.in.Rules.Ignore, target) {
			continue
		}
		f, isFrom := fromMounts[target]
		t, isTo := toMounts[target]
		subject := service + ":" + target
		switch {
		case !isTo:
			c.mountMissing(service, subject, f, to)
		case !isFrom:
			c.report(runtimeObjective, "mount-extra", subject, Info, "", t.Type, fmt.Sprintf("%s mounts %s in %s alone", service, target, c.in.To.Environment), "")
		default:
			c.mount(service, subject, f, t)
		}
	}
}

func (c *configurations) mountMissing(service, subject string, f snapshot.Mount, to snapshot.Config) {
	environment := c.in.To.Environment
	message := fmt.Sprintf("%s mounts the %s %s in %s and not in %s", service, f.Type, f.Target, c.in.From.Environment, environment)
	do := "add it to the target's files, or list the path under compare.ignore"
	base := f.Target[strings.LastIndexByte(f.Target, '/')+1:]
	switch {
	case f.Type == "secret":
		for _, name := range []string{base, base + "_FILE"} {
			if slices.ContainsFunc(to.Variables, func(v snapshot.Variable) bool { return strings.EqualFold(v.Name, name) && !v.Empty }) {
				c.report("configuration.keys", "key-elsewhere", subject, Info, f.Type, name, message+", where it is given as a variable", "")
				return
			}
		}
		c.report("configuration.secrets", "secret-missing", subject, Fail, f.Type, "", message, do)
	case f.Type == "config" || f.Type == "volume" || f.Type == "bind" && f.Hash != "":
		c.report(runtimeObjective, "mount-missing", subject, Warn, f.Type, "", message, do)
	default: // a folder of source code, a tmpfs
		c.report(runtimeObjective, "mount-missing", subject, Info, f.Type, "", message, "")
	}
}

func (c *configurations) mount(service, subject string, f, t snapshot.Mount) {
	oneEngine := c.in.From.Engine.ID == c.in.To.Engine.ID
	mustEqual := matches(c.in.Rules.Equal, f.Target)
	if f.Type == "volume" && t.Type == "volume" && f.Source != "" && f.Source == t.Source && oneEngine && !c.sameEnvironment() && !(f.ReadOnly && t.ReadOnly) {
		c.report("configuration.own", "volume-shared", subject, Fail, f.Source, t.Source, fmt.Sprintf("%s mounts the volume %s in both environments", service, t.Source), "give the target a volume of its own")
	}
	switch {
	case f.Type != t.Type && (f.Type == "volume" || t.Type == "tmpfs"):
		c.report(runtimeObjective, "mount-type", subject, Warn, f.Type, t.Type, fmt.Sprintf("%s mounts a %s at %s in %s and a %s in %s", service, f.Type, f.Target, c.in.From.Environment, t.Type, c.in.To.Environment), "look whether what is written there has to last")
	case f.Type != t.Type:
		c.report(runtimeObjective, "mount-type", subject, Info, f.Type, t.Type, fmt.Sprintf("%s mounts %s in another way", service, f.Target), "")
	case !f.ReadOnly && t.ReadOnly:
		c.report(runtimeObjective, "mount-read-only", subject, Warn, "read-write", "read-only", fmt.Sprintf("%s may write to %s in %s and not in %s", service, f.Target, c.in.From.Environment, c.in.To.Environment), "mount it read-only in both, or in none")
	case f.ReadOnly && !t.ReadOnly:
		c.report(runtimeObjective, "mount-writable", subject, Info, "read-only", "read-write", fmt.Sprintf("%s may write to %s in %s alone", service, f.Target, c.in.To.Environment), "")
	}
	switch {
	case f.Hash == "" && t.Hash == "":
	case !c.compared || f.Hash == "" || t.Hash == "":
		objective := "configuration.own"
		if mustEqual {
			objective = "configuration.same"
		}
		if mustEqual || f.Type == "secret" && !c.sameEnvironment() {
			c.miss(fmt.Sprintf("the file %s of %s cannot be compared: the two sides were read with different keys", f.Target, service), "give both readings the same PROMOTE_COMPARE_KEY", objective)
		}
	case f.Hash != t.Hash && mustEqual:
		c.report("configuration.same", "file-differs", subject, Fail, size(f), size(t), fmt.Sprintf("the file %s of %s must be the same on both sides and differs", f.Target, service), "bring both to one content")
	case f.Hash != t.Hash && f.Type != "secret":
		c.report("configuration.same", "file-differs", subject, Info, size(f), size(t), fmt.Sprintf("the file %s of %s differs", f.Target, service), "")
	case f.Hash == t.Hash && f.Type == "secret" && !mustEqual && !c.sameEnvironment():
		c.report("configuration.own", "secret-shared", subject, Warn, "", "", fmt.Sprintf("the secret %s of %s is the same in %s and %s", f.Target, service, c.in.From.Environment, c.in.To.Environment), "give the target a value of its own, or list it under compare.equal")
	}
}

func size(m snapshot.Mount) string {
	if m.Type == "secret" {
		return ""
	}
	return strconv.FormatInt(m.Size, 10) + " bytes"
}

func byTarget(mounts []snapshot.Mount) map[string]snapshot.Mount {
	out := map[string]snapshot.Mount{}
	for _, m := range mounts {
		if known, twice := out[m.Target]; !twice || m.Source < known.Source {
			out[m.Target] = m
		}
	}
	return out
}

// limits compares memory and processors. A limit below what the source's containers use now is one that the release was
// never tested with.
func (c *configurations) limits(service string, running snapshot.Service, from, to snapshot.Config) {
	var used int64
	for _, container := range running.Containers {
		used = max(used, container.Memory)
	}
	memory := func(n int64) string {
		if n == 0 {
			return "no limit"
		}
		return strconv.FormatInt(n>>20, 10) + " MiB"
	}
	switch {
	case to.Memory != 0 && used > to.Memory:
		c.report(runtimeObjective, "memory-short", service, Fail, memory(used)+" in use", memory(to.Memory),
			fmt.Sprintf("%s uses %s in %s; its limit in %s is %s", service, memory(used), c.in.From.Environment, c.in.To.Environment, memory(to.Memory)), "raise the target's memory limit")
	case to.Memory != 0 && from.Memory > to.Memory:
		c.report(runtimeObjective, "memory-lower", service, Warn, memory(from.Memory), memory(to.Memory), service+" may use less memory at the target", "raise the target's memory limit, or test with the lower one")
	case to.Memory != from.Memory:
		c.report(runtimeObjective, "memory-differs", service, Info, memory(from.Memory), memory(to.Memory), service+" has another memory limit at the target", "")
	}
	compareLimit(c, service, "cpus", "processors", from.CPUs, to.CPUs)
	compareLimit(c, service, "pids", "processes", from.PIDs, to.PIDs)
}

func compareLimit[T int64 | float64](c *configurations, service, kind, what string, from, to T) {
	show := func(n T) string {
		if n == 0 {
			return "no limit"
		}
		return fmt.Sprint(n)
	}
	switch {
	case from == to:
	case from != 0 && to != 0 && to < from:
		c.report(runtimeObjective, kind+"-lower", service, Warn, show(from), show(to), fmt.Sprintf("%s may use fewer %s at the target", service, what), "raise the target's limit, or test with the lower one")
	default:
		c.report(runtimeObjective, kind+"-differs", service, Info, show(from), show(to), fmt.Sprintf("%s has another limit of %s at the target", service, what), "")
	}
}

// runtime compares how the container is run.
func (c *configurations) runtime(service string, from, to snapshot.Config) {
	differs := func(kind, what, f, t string) {
		if f != t {
			c.report(runtimeObjective, kind+"-differs", service, Info, f, t, fmt.Sprintf("%s has another %s at the target", service, what), "")
		}
	}
	weaker := func(kind, f, t, message, do string) {
		c.report(runtimeObjective, kind, service, Warn, f, t, message, do)
	}
	if from.Healthcheck != "" && to.Healthcheck == "" {
		weaker("healthcheck-missing", from.Healthcheck, "", service+" has a health check in "+c.in.From.Environment+" and none in "+c.in.To.Environment, "give the target the same health check")
	} else {
		differs("healthcheck", "health check", from.Healthcheck, to.Healthcheck)
	}
	if restarts(from.Restart) && !restarts(to.Restart) {
		weaker("restart-missing", from.Restart, to.Restart, service+" is started again after a failure in "+c.in.From.Environment+" and not in "+c.in.To.Environment, "give the target the same restart policy")
	} else if restarts(from.Restart) != restarts(to.Restart) || restarts(from.Restart) {
		differs("restart", "restart policy", from.Restart, to.Restart)
	}
	if !root(from.User) && root(to.User) {
		weaker("user-root", from.User, to.User, service+" runs as root at the target alone", "give the target the same user")
	} else {
		differs("user", "user", from.User, to.User)
	}
	differs("command", "command", strings.Join(from.Command, " "), strings.Join(to.Command, " "))
	differs("entrypoint", "entrypoint", strings.Join(from.Entrypoint, " "), strings.Join(to.Entrypoint, " "))
	differs("working-dir", "working directory", from.WorkingDir, to.WorkingDir)
	differs("ports", "set of ports", strings.Join(sorted(from.Ports), ", "), strings.Join(sorted(to.Ports), ", "))
	differs("networks", "set of networks", strings.Join(sorted(from.Networks), ", "), strings.Join(sorted(to.Networks), ", "))
	differs("replicas", "number of replicas", strconv.Itoa(from.Replicas), strconv.Itoa(to.Replicas))
	c.options(service, from, to)
	c.labels(service, from, to)
}

func restarts(policy string) bool { return policy != "" && policy != "no" }

func root(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return name == "" || name == "0" || name == "root"
}

func (c *configurations) options(service string, from, to snapshot.Config) {
	for _, name := range sorted(slices.Concat(slices.Collect(maps.Keys(from.Options)), slices.Collect(maps.Keys(to.Options)))) {
		f, t := from.Options[name], to.Options[name]
		switch {
		case f == t:
		case name == "privileged" && t == "true":
			c.report(runtimeObjective, "option-differs", service+"."+name, Warn, f, t, service+" is privileged at the target alone", "give the target what it needs, and no more")
		default:
			c.report(runtimeObjective, "option-differs", service+"."+name, Info, f, t, fmt.Sprintf("%s of %s differs", name, service), "")
		}
	}
}

func (c *configurations) labels(service string, from, to snapshot.Config) {
	f, t := byName(from.Labels), byName(to.Labels)
	for _, name := range sorted(slices.Concat(slices.Collect(maps.Keys(f)), slices.Collect(maps.Keys(t)))) {
		v := variable{configurations: c, service: service, name: name, from: f[name], to: t[name]}
		if v.rule(c.in.Rules.Ignore) {
			continue
		}
		equal, known := v.equal()
		switch {
		case v.rule(c.in.Rules.Equal) && !known:
			c.miss(fmt.Sprintf("the label %s of %s cannot be compared: the two sides were read with different keys", name, service), "give both readings the same PROMOTE_COMPARE_KEY", "configuration.same")
		case !known || equal:
		case v.rule(c.in.Rules.Equal):
			v.report("configuration.same", "label-differs", Fail, fmt.Sprintf("label %s of %s must be the same on both sides and differs", name, service), "bring both to one value")
		default:
			v.report(runtimeObjective, "label-differs", Info, fmt.Sprintf("label %s of %s differs", name, service), "")
		}
	}
}

// networks finds services that reach each other in the source and not at the target.
func (c *configurations) networks(services []string) {
	for i, one := range services {
		var parted []string
		for _, other := range services[i+1:] {
			if c.meet(c.in.From, one, other) && !c.meet(c.in.To, one, other) {
				parted = append(parted, other)
			}
		}
		if len(parted) > 0 {
			c.report(runtimeObjective, "network-split", one, Warn, "one network", "none",
				fmt.Sprintf("%s shares a network with %s in %s and not in %s", one, clip(strings.Join(parted, ", ")), c.in.From.Environment, c.in.To.Environment),
				"give them a network in common where one needs the other")
		}
	}
}

// meet says whether two services share a network, also where that is not known of the target.
func (c *configurations) meet(s *snapshot.Snapshot, one, other string) bool {
	a, ok := s.Details.Configs[one]
	b, okOther := s.Details.Configs[other]
	if !ok || !okOther {
		return s == c.in.To
	}
	return slices.ContainsFunc(a.Networks, func(n string) bool { return slices.Contains(b.Networks, n) })
}
