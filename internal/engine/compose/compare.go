package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/engine"
)

// Comparison is one recorded container beside the present one of its name.
type Comparison struct {
	Container  string
	WantImage  string
	GotImage   string // empty when there is no such container
	WantConfig string // digest of the whole configuration
	GotConfig  string
	Problem    string // in words; empty when all is equal
}

// Compare holds every recorded container of the services against what is there: image, the whole configuration, and whether
// it runs when it ran. Containers that the record does not know are differences too.
func (e *Engine) Compare(ctx context.Context, rec Record, services []string) ([]Comparison, error) {
	all, err := e.inspectAll(ctx, ofProject(rec.Project))
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	peers := map[string]string{}
	for _, in := range all {
		peers[in.ID] = strings.TrimPrefix(in.Name, "/")
	}
	var out []Comparison
	known := map[string]bool{}
	for _, rc := range rec.Containers {
		if !slices.Contains(services, rc.Service) {
			continue
		}
		known[rc.Name] = true
		text, err := specText(rc)
		if err != nil {
			return nil, err
		}
		cmp := Comparison{Container: rc.Name, WantImage: rc.ImageID, WantConfig: digestText(text), Problem: "it is gone"}
		for _, in := range all {
			c := describe(in)
			if c.Name != rc.Name {
				continue
			}
			got, err := specText(recorded(in, c, peers))
			if err != nil {
				return nil, err
			}
			cmp.GotImage, cmp.GotConfig, cmp.Problem = c.ImageID, digestText(got), ""
			switch {
			case cmp.GotImage != cmp.WantImage:
				cmp.Problem = "it runs another image"
			case cmp.GotConfig != cmp.WantConfig:
				cmp.Problem = "it is configured otherwise: " + firstDifference(text, got)
			case active(rc.State) && !active(c.State):
				cmp.Problem, cmp.GotConfig = "it does not run: "+c.State, c.State
			}
		}
		out = append(out, cmp)
	}
	for _, in := range all {
		if c := describe(in); slices.Contains(services, c.Service) && !c.OneOff && !known[c.Name] {
			out = append(out, Comparison{Container: c.Name, GotImage: c.ImageID, Problem: "it was not there"})
		}
	}
	return out, nil
}

// Discard stops and removes the containers of the services that the record does not know: those of another release. It may
// be repeated.
func (e *Engine) Discard(ctx context.Context, rec Record, services []string, onEvent func(engine.Event)) error {
	r := &restoration{e: e, rec: rec, opts: RestoreOptions{Services: services}, tell: serial(onEvent), here: map[string]string{}, peers: map[string]string{}}
	if err := r.clear(ctx); err != nil {
		return fmt.Errorf("remove the containers of the new release: %w", err)
	}
	return nil
}

// WantsOf are the services of a record as they have to be again: those that ran healthy then.
func (rec Record) WantsOf(services []string, timeout time.Duration) []engine.Want {
	var wants []engine.Want
	for _, rc := range rec.Containers {
		if !slices.Contains(services, rc.Service) || !rc.Running() || rc.Unwell {
			continue
		}
		if at := slices.IndexFunc(wants, func(w engine.Want) bool { return w.Service == rc.Service }); at >= 0 {
			wants[at].Replicas++
			if wants[at].Image != rc.ImageID {
				wants[at].Image = "" // replicas of several images: the comparison tells them apart
			}
			continue
		}
		wants = append(wants, engine.Want{Service: rc.Service, Image: rc.ImageID, Timeout: timeout, Replicas: 1})
	}
	return wants
}

func digestText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// firstDifference names the first line that differs, without its value: it may be a secret.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			name, _, found := strings.Cut(strings.TrimSpace(w[i]), ":")
			if !found {
				name = "a list"
			}
			return strings.Trim(name, `"`)
		}
	}
	return "something was added"
}
