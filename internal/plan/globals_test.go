package plan

import (
	"testing"
	"time"

	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

func TestOnlyTheStacksOwnServersGetTheirRolesBack(t *testing.T) {
	for service, want := range map[string]bool{"db": true, "": false} {
		in := Input{
			Now: time.Now(), CopyName: func(a, b, c string) string { return a + b + c },
			Services: []Service{{Name: "web"}}, Release: Release{Images: []step.Image{{Service: "web", ID: "sha256:2"}}},
			To: snapshot.Snapshot{Servers: []snapshot.Server{{Name: "main", Service: service, Databases: []snapshot.Database{{Name: "shop"}}}}},
		}
		p, _ := Build(in)
		has := false
		for i, item := range p.Steps {
			g, ok := item.Step.(*step.RecordGlobals)
			has = has || ok
			if ok && (len(g.Databases) != 2 || p.Steps[i+1].Name != "open-database main/shop") {
				t.Errorf("%+v, then %s", g, p.Steps[i+1].Name)
			}
		}
		if has != want {
			t.Errorf("service %q: recorded %v", service, has)
		}
	}
}
