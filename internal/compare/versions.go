package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// versionsArea says what a promotion would move, and what would go backwards.
func versionsArea(in Input) areaFindings {
	a := area(Versions)
	if in.From == nil || in.To == nil {
		missSides(a, in)
		return *a
	}
	for _, why := range slices.Concat(imageParts(in.From), imageParts(in.To)) {
		a.miss(why, "", "versions.identity", "versions.forward", "versions.replicas")
	}
	for _, m := range moves(in) {
		versionsOf(a, in, m)
	}
	endpoints(a, in)
	servers(a, in)
	return *a
}

// missSides notes the sides that have no snapshot, for all objectives of an area.
func missSides(a *areaFindings, in Input) {
	for i, s := range in.sides() {
		if s == nil {
			a.miss(absent(in.Names[i], []string{in.FromWhy, in.ToWhy}[i]), "start it, or look why its engine does not answer")
		}
	}
}

func imageParts(s *snapshot.Snapshot) []string {
	var out []string
	for _, m := range missingParts(s) {
		if strings.HasPrefix(m.Part, "image") {
			out = append(out, fmt.Sprintf("%s in %s could not be read: %s", m.Part, s.Environment, m.Reason))
		}
	}
	return out
}

func versionsOf(a *areaFindings, in Input, m Move) {
	from, isFrom := in.From.Service(m.Service)
	to, isTo := in.To.Service(m.Service)
	kept := from.Database || to.Database
	sides := []struct {
		env      string
		service  snapshot.Service
		version  Version
		exists   bool
		severity Severity
	}{{in.From.Environment, from, m.From, isFrom, Fail}, {in.To.Environment, to, m.To, isTo, Warn}}
	for _, s := range sides {
		if !s.exists {
			continue
		}
		images := imagesOf(s.service)
		switch {
		case len(images) == 0 || slices.Contains(images, ""):
			a.miss(fmt.Sprintf("the image of %s in %s is not known", m.Service, s.env), "start the service", "versions.identity", "versions.forward", "versions.replicas")
		case len(images) > 1:
			a.add("versions.replicas", "replicas-differ", m.Service+" in "+s.env, s.severity,
				fmt.Sprintf("the %d containers of %s in %s run %d different images: what is promoted is not what all of them run", len(s.service.Containers), m.Service, s.env, len(images)),
				"bring them to one image: docker compose up -d "+m.Service)
		}
	}
	report := func(objective, kind string, severity Severity, message, do string) {
		f := a.add(objective, kind, m.Service, severity, message, do)
		f.From, f.To = m.From.label(), m.To.label()
	}
	switch {
	case !isTo:
		report("versions.services", "service-new", Info, m.Service+" is new at the target", "")
	case !isFrom:
		report("versions.services", "service-extra", Warn, fmt.Sprintf("%s runs in %s and not in %s: it was not tested with this release, and keeps its image", m.Service, in.To.Environment, in.From.Environment),
			"remove it from the target's Compose files, or start it in "+in.From.Environment)
	case m.From.ImageID == m.To.ImageID:
	case kept:
		report("versions.forward", "datastore-differs", Info, m.Service+" runs another image; a datastore is kept as it is", "")
	default:
		if r, s := m.From.Revision, m.To.Revision; r != "" && s != "" && r != s && lineage(in, r, s) == nil {
			a.miss(fmt.Sprintf("git was not asked which commit of %s is newer, %s or %s", m.Service, short(r), short(s)), "", "versions.forward")
		}
		directionOf(in, m, from, to, report)
	}
}

func directionOf(in Input, m Move, from, to snapshot.Service, report func(objective, kind string, severity Severity, message, do string)) {
	direction, by := direction(in, imageVersion(from), imageVersion(to))
	switch direction {
	case Ahead:
		report("versions.forward", "image-ahead", Info, fmt.Sprintf("%s is promoted from %s to %s (by %s)", m.Service, m.To.label(), m.From.label(), by), "")
	case Same:
		report("versions.forward", "image-rebuilt", Info, m.Service+" is another image of the same "+by, "")
	case Behind:
		severity := Fail
		if by == byDate {
			severity = Warn
		}
		report("versions.forward", "image-behind", severity, fmt.Sprintf("%s would go backwards, from %s to %s (by %s)", m.Service, m.To.label(), m.From.label(), by),
			"bring "+in.From.Environment+" up to what runs at the target, or roll back on purpose: promote rollback")
	case Diverged:
		report("versions.forward", "image-diverged", Warn, fmt.Sprintf("%s in %s lacks commits that run at the target: %s and %s have parted", m.Service, in.From.Environment, m.From.label(), m.To.label()),
			"merge what runs at the target, and build again")
	default:
		report("versions.forward", "image-unordered", Warn, m.Service+" differs, and neither git nor version nor build date says which image is newer",
			"label images with org.opencontainers.image.revision and .version")
	}
}
