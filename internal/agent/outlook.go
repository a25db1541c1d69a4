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
	} else if err := p.last(); err != nil {
		p.add("state", promotion.Fail, err.Error(), hintOf(err, "promote history "+req.Spec.Environment))
	} else {
		p.add("state", promotion.Pass, "no promotion is unfinished", "")
	}
	if s.store != nil && req.Plan.Release.ID != "" {
		p.hold()
	}
	p.room()
	if len(req.Plan.Steps) > 0 {
		for _, item := range req.Plan.Steps {
			if c, ok := item.Step.(*step.CopyDatabase); ok {
				p.rights(ctx, c.Server, c.Database, c.Way)
			}
		}
		return p.checks, nil
	}
	return p.checks, p.allRights(ctx)
}

// allRights asks for every database, where no plan says which are copied.
func (p *prover) allRights(ctx context.Context) error {
	all, err := p.env.containers(ctx)
	if err != nil {
		return err
	}
	servers, err := p.env.servers(ctx, all)
	if err != nil {
		return err
	}
	for _, found := range servers {
		pg, err := found.open(ctx)
		if err != nil {
			return err
		}
		list, err := pg.Databases(ctx)
		if err != nil {
			return err
		}
		for _, db := range found.wanted(list) {
			p.rights(ctx, found.name, db.Name, step.Clone)
		}
	}
	return nil
}

// rights says whether the database's user may do what a copy and its return need.
func (p *prover) rights(ctx context.Context, server, database string, way step.Way) {
	name := "rollback of " + database
	db, err := p.env.database(ctx, server, point{})
	if err != nil {
		p.add(name, promotion.Fail, err.Error(), "see databases in the configuration")
		return
	}
	rights, err := db.pg.Rights(ctx, database)
	if err != nil {
		p.add(name, promotion.Error, err.Error(), "")
		return
	}
	var missing, grants []string
	for _, m := range rights.Missing {
		missing, grants = append(missing, m.Right), append(grants, m.Grant)
	}
	hint := "as an administrator of the server: " + strings.Join(grants, "; ")
	switch {
	case len(missing) == 0:
		p.add(name, promotion.Pass, fmt.Sprintf("%s may copy the database and swap the copy in", db.found.conn.User), "")
	case way != step.Clone:
		p.add(name, promotion.Warn, "a dump is restored into a new database: the user may not "+strings.Join(missing, ", nor "), hint)
	default:
		p.add(name, promotion.Fail, "a rollback is not possible: the user may not "+strings.Join(missing, ", nor "), hint)
	}
}
