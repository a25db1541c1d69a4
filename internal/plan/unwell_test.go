package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

func TestNothingIsAskedOfWhatWasUnwell(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	well := snapshot.Container{Image: "app:1", ImageID: "sha256:1", State: "running", StartedAt: now.Add(-time.Hour)}
	for _, c := range []struct {
		name string
		edit func(*snapshot.Container)
		to   string
		want bool
	}{
		{"well", func(*snapshot.Container) {}, "sha256:1", false},
		{"restarting", func(c *snapshot.Container) { c.State = "restarting" }, "sha256:1", true},
		{"restarting, another image", func(c *snapshot.Container) { c.State = "restarting" }, "sha256:2", false},
		{"unhealthy", func(c *snapshot.Container) { c.Health = "unhealthy" }, "sha256:1", true},
		{"between two restarts", func(c *snapshot.Container) { c.Restarts, c.StartedAt = 7, now.Add(-time.Second) }, "sha256:1", true},
		{"restarted long ago", func(c *snapshot.Container) { c.Restarts = 7 }, "sha256:1", false},
		{"exited", func(c *snapshot.Container) { c.State, c.ExitCode = "exited", 1 }, "sha256:1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			flaky := well
			c.edit(&flaky)
			in := Input{
				Services: []Service{{Name: "flaky"}, {Name: "web"}}, Now: now, CopyName: func(a, b, c string) string { return a + b + c },
				Release: Release{Images: []step.Image{{Service: "flaky", ID: c.to}, {Service: "web", ID: "sha256:2"}}},
				To: snapshot.Snapshot{Environment: "staging", TakenAt: now, Services: []snapshot.Service{
					{Name: "flaky", Containers: []snapshot.Container{flaky}}, {Name: "web", Containers: []snapshot.Container{well}},
				}},
			}
			p, problems := Build(in)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			for _, item := range p.Steps {
				var has bool
				switch s := item.Step.(type) {
				case *step.StartServices:
					has = !slices.Contains(s.Unwell, "flaky")
					if !slices.Contains(s.Services, "flaky") || !slices.Contains(s.Services, "web") {
						t.Errorf("not started: %v", s.Services)
					}
				case *step.VerifyServices:
					has = slices.ContainsFunc(s.Want, func(w step.Want) bool { return w.Service == "flaky" })
				case *step.Settle:
					has = slices.Contains(s.Services, "flaky")
				default:
					continue
				}
				if has == c.want {
					t.Errorf("%s asks of it: %v", item.Name, has)
				}
			}
			if told := strings.Contains(strings.Join(p.Warnings, "\n"), "flaky does not run well"); told != c.want {
				t.Errorf("warnings: %v", p.Warnings)
			}
		})
	}
}
