package compare

import (
	"fmt"
	"maps"
	"slices"

	"github.com/org/promote-action/internal/snapshot"
)

// endpoints compares what version endpoints answer with what the images say that they are.
func endpoints(a *areaFindings, in Input) {
	const objective = "versions.endpoint"
	if in.From.Details == nil || in.To.Details == nil {
		a.miss("version endpoints were not read", "", objective)
		return
	}
	asked := slices.Concat(slices.Collect(maps.Keys(in.From.Details.Versions)), slices.Collect(maps.Keys(in.To.Details.Versions)))
	for name, s := range in.Services {
		if s.Endpoint {
			asked = append(asked, name)
		}
	}
	if len(asked) == 0 {
		a.skip("no version endpoint is configured", objective)
		return
	}
	for _, name := range sorted(asked) {
		for _, s := range in.sides() {
			svc, runs := s.Service(name)
			if !runs {
				continue
			}
			e, was := s.Details.Versions[name]
			switch label := labelOf(svc); {
			case !was:
				a.miss(fmt.Sprintf("the version endpoint of %s in %s was not asked", name, s.Environment), "", objective)
			case e.Error != "":
				a.miss(fmt.Sprintf("the version endpoint of %s in %s did not answer: %s", name, s.Environment, e.Error), "see services."+name+".version in the configuration", objective)
			case label != "" && e.Version != label:
				f := a.add(objective, "version-untrue", name+" in "+s.Environment, Warn,
					fmt.Sprintf("%s in %s answers with version %s, its image says %s", name, s.Environment, e.Version, label), "restart the service, or correct the label or the endpoint")
				if s == in.From {
					f.From = e.Version
				} else {
					f.To = e.Version
				}
			}
		}
	}
}

// labelOf is the version that a service's image names.
func labelOf(svc snapshot.Service) string {
	var labels []string
	for _, c := range svc.Containers {
		labels = append(labels, c.Version)
	}
	if labels = sorted(labels); len(labels) == 1 {
		return labels[0]
	}
	return ""
}

// servers compares the major versions of PostgreSQL.
func servers(a *areaFindings, in Input) {
	const objective = "versions.servers"
	if len(in.From.Servers) == 0 && len(in.To.Servers) == 0 {
		if unread := slices.ContainsFunc(slices.Concat(in.From.Missing, in.To.Missing), isDatabasePart); unread {
			a.miss("the database servers could not be read", "", objective)
		} else {
			a.skip("there is no database server", objective)
		}
		return
	}
	for _, to := range in.To.Servers {
		from, ok := in.From.Server(to.Name)
		if !ok || from.Major() == to.Major() {
			continue
		}
		severity, message, do := Warn, "the target's is newer", "bring the source to the same major version"
		if from.Major() > to.Major() {
			severity, message, do = Fail, "a promotion does not change a major version", "upgrade the target's server first (pg_upgrade or dump and restore)"
		}
		f := a.add(objective, "server-version", to.Name, severity,
			fmt.Sprintf("PostgreSQL %s in %s and %s in %s: %s", from.Version, in.From.Environment, to.Version, in.To.Environment, message), do)
		f.From, f.To = from.Version, to.Version
	}
	if slices.ContainsFunc(slices.Concat(in.From.Missing, in.To.Missing), isDatabasePart) {
		a.miss("not every database server could be read", "", objective)
	}
}
