package compare

import (
	"testing"

	"github.com/org/promote-action/internal/snapshot"
)

// The gate for schemas asks for no rows, so none of them can be missing.
func TestDriftAsksForNoRows(t *testing.T) {
	in := sound()
	for _, s := range in.sides() {
		if len(s.Details.Catalogs) == 0 {
			t.Fatal("no catalog to compare")
		}
		for i := range s.Details.Catalogs {
			s.Details.Catalogs[i].Tables = []snapshot.TableData{{Table: "public.orders", Rows: 3}, {Table: "public.closed", Error: "no right"}}
		}
	}
	c := Drift(in)
	if c.Verdict != Ready || len(c.Areas) != 1 || len(c.Areas[0].Missing) > 0 || c.Coverage != 100 || points(c.Score) != 100 {
		t.Errorf("%s, coverage %v, areas %+v", c.Verdict, c.Coverage, c.Areas)
	}
	if len(in.From.Details.Catalogs[0].Tables) != 2 {
		t.Error("the snapshot itself was changed")
	}
	in.To.Details.Catalogs[0].Objects = nil
	if c = Drift(in); c.Verdict != NotReady {
		t.Errorf("without any object at the target: %s", c.Verdict)
	}
}
