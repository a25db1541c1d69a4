package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// outlook says what preflight would, as far as that can be known without touching anything: no journal is written, no
// throwaway database is made.
func (s *Server) outlook(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[PreflightRequest](in)
	if err != nil {
		return nil, err
	}
	p := prover{s: s, req: req, env: s.environment(req.Spec)}
	if s.store == nil {
		p.add("state", promotion.Pass, "nothing was ever promoted to it: no promotion is unfinished", "")
		p.add("hold", promotion.Pass, "release "+req.Plan.Release.ID+" is not on hold", "")
	} else {
		if err := p.last(); err != nil {
			p.add("state", promotion.Fail, err.Error(), hintOf(err, "promote history "+req.Spec.Environment))
		} else {
			p.add("state", promotion.Pass, "no promotion is unfinished", "")
		}
		p.hold()
	}
	p.room()
	p.rights(ctx)
	return p.checks, nil
}

// rights says whether the database's user may do what a copy and its return need.
func (p *prover) rights(ctx context.Context) {
	for _, item := range p.req.Plan.Steps {
		c, ok := item.Step.(*step.CopyDatabase)
		if !ok {
			continue
		}
		name := "rollback of " + c.Database
		db, err := p.env.database(ctx, c.Server, point{})
		if err != nil {
			p.add(name, promotion.Fail, err.Error(), "see databases in the configuration")
			continue
		}
		rights, err := db.pg.Rights(ctx, c.Database)
		if err != nil {
			p.add(name, promotion.Error, err.Error(), "")
			continue
		}
		var missing, grants []string
		for _, m := range rights.Missing {
			missing, grants = append(missing, m.Right), append(grants, m.Grant)
		}
		switch {
		case len(missing) == 0:
			p.add(name, promotion.Pass, fmt.Sprintf("%s may copy the database and swap the copy in", db.found.conn.User), "")
		case c.Way != step.Clone:
			p.add(name, promotion.Warn, "a dump is restored into a new database: the user may not "+strings.Join(missing, ", nor "), "as an administrator of the server: "+strings.Join(grants, "; "))
		default:
			p.add(name, promotion.Fail, "a rollback is not possible: the user may not "+strings.Join(missing, ", nor "), "as an administrator of the server: "+strings.Join(grants, "; "))
		}
	}
}
