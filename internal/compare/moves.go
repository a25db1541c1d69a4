package compare

import (
	"cmp"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// moves are the services of both sides by name, and where each stands.
func moves(in Input) []Move {
	var out []Move
	for _, name := range serviceNames(in.From, in.To) {
		m := Move{Service: name, Critical: in.critical(name)}
		from, isFrom := find(in.From, name)
		to, isTo := find(in.To, name)
		m.From, m.To = versionOf(in.From, from), versionOf(in.To, to)
		switch {
		case in.From == nil || in.To == nil:
			m.Direction = UnknownDirection
		case !isTo:
			m.Direction = OnlyFrom
		case !isFrom:
			m.Direction = OnlyTo
		default:
			m.Direction, _ = direction(in, imageVersion(from), imageVersion(to))
			if l := lineage(in, m.From.Revision, m.To.Revision); l != nil {
				m.Commits = len(l.Commits)
			}
		}
		out = append(out, m)
	}
	return out
}

// critical says whether a service is: one without an entry is.
func (in Input) critical(service string) bool {
	s, ok := in.Services[service]
	return !ok || s.Critical
}

func serviceNames(sides ...*snapshot.Snapshot) []string {
	var names []string
	for _, s := range sides {
		if s == nil {
			continue
		}
		for _, svc := range s.Services {
			names = append(names, svc.Name)
		}
	}
	return sorted(names)
}

func find(s *snapshot.Snapshot, name string) (snapshot.Service, bool) {
	if s == nil {
		return snapshot.Service{}, false
	}
	return s.Service(name)
}

// versionOf is what runs of a service; its version endpoint says the version where the image does not.
func versionOf(s *snapshot.Snapshot, svc snapshot.Service) Version {
	v := imageVersion(svc)
	if v.Version == "" && s != nil && s.Details != nil {
		v.Version = s.Details.Versions[svc.Name].Version
	}
	return v
}

// imageVersion is what a service's image says: of its first container by name, where they differ.
func imageVersion(svc snapshot.Service) Version {
	containers := slices.Clone(svc.Containers)
	slices.SortFunc(containers, func(a, b snapshot.Container) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID), strings.Compare(a.ImageID, b.ImageID))
	})
	v := Version{Replicas: len(containers)}
	if len(containers) == 0 {
		return v
	}
	c := containers[0]
	v.Image, v.ImageID, v.Version, v.Revision, v.Created = c.Image, c.ImageID, c.Version, c.Revision, c.ImageCreated
	if digests := sorted(c.RepoDigests); len(digests) > 0 {
		_, v.Digest, _ = strings.Cut(digests[0], "@")
	}
	return v
}

// label is a version in a word or two.
func (v Version) label() string {
	switch {
	case v.Version != "" && v.Revision != "":
		return v.Version + " (" + short(v.Revision) + ")"
	case v.Version != "":
		return v.Version
	case v.Revision != "":
		return short(v.Revision)
	default:
		return short(strings.TrimPrefix(v.ImageID, "sha256:"))
	}
}

func short(id string) string {
	if len(id) > 12 && strings.Trim(id, "0123456789abcdef") == "" {
		return id[:12]
	}
	return id
}

func imagesOf(svc snapshot.Service) []string {
	var images []string
	for _, c := range svc.Containers {
		images = append(images, c.ImageID)
	}
	return sorted(images)
}

// commits are all that a promotion would bring, newest first, each once.
func commits(in Input) []Commit {
	var out []Commit
	for _, l := range in.Lineages {
		out = append(out, l.Commits...)
	}
	slices.SortFunc(out, func(a, b Commit) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(a.Hash, b.Hash), strings.Compare(a.Subject, b.Subject))
	})
	return slices.CompactFunc(out, func(a, b Commit) bool { return a.Hash == b.Hash })
}
