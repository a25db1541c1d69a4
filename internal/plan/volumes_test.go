package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

func TestAVolumeIsCopiedOnlyWhileNobodyWrites(t *testing.T) {
	running := []snapshot.Container{{Image: "x:1", ImageID: "sha256:1", State: "running"}}
	for _, c := range []struct {
		name, policy string
		services     []string
		problem      string
		warning      bool
	}{
		{"stopped", "snapshot", []string{"web"}, "", false},
		{"kept", "snapshot", []string{"cache"}, "volume w_data is to be copied, and cache, which stays up, writes to it", false},
		{"shared with one that is kept", "snapshot", []string{"cache", "web"}, "cache, which stays up", false},
		{"kept and ignored", "ignore", []string{"cache"}, "", false},
		{"not named", "", []string{"web"}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := Input{
				Now: time.Now(), CopyName: func(a, b, c string) string { return a + b + c }, Volumes: map[string]string{"data": c.policy},
				Services: []Service{{Name: "cache", Datastore: true}, {Name: "web"}}, Release: Release{Images: []step.Image{{Service: "web", ID: "sha256:2"}}},
				To: snapshot.Snapshot{
					Services: []snapshot.Service{{Name: "cache", Containers: running}, {Name: "web", Containers: running}},
					Volumes:  []snapshot.Volume{{Name: "w_data", Key: "data", Services: c.services}},
				},
			}
			p, problems := Build(in)
			got := ""
			for _, problem := range problems {
				got += problem.Message + "\n"
			}
			if (c.problem == "") != (got == "") || !strings.Contains(got, c.problem) {
				t.Errorf("problems: %q, want %q", got, c.problem)
			}
			if warned := strings.Contains(strings.Join(p.Warnings, "\n"), "w_data"); warned != c.warning {
				t.Errorf("warnings: %v", p.Warnings)
			}
		})
	}
}
