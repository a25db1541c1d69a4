package agent

import (
	"context"
	"encoding/json"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// measure finds out what the steps of a plan will take here: how fast rows are read and databases cloned at the moment, and
// what the last promotion took. What cannot be measured is said to be missing, and is no failure.
func (s *Server) measure(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[MeasureRequest](in)
	if err != nil {
		return nil, err
	}
	m := s.lastPromotion()
	env := s.environment(req.Spec)
	for _, item := range req.Plan.Steps {
		name, bytes := plan.DatabaseOf(item.Step)
		speed := plan.Speed{Server: name.Server, Database: name.Database}
		var take func(*postgres.Server) (postgres.Speed, error)
		switch c := item.Step.(type) {
		case *step.FingerprintDatabase:
			speed.Of = plan.Fingerprinting
			take = func(pg *postgres.Server) (postgres.Speed, error) { return pg.ReadSpeed(ctx, name.Database) }
		case *step.CopyDatabase:
			if c.Way != step.Clone || req.Read {
				continue
			}
			speed.Of = plan.Cloning
			take = func(pg *postgres.Server) (postgres.Speed, error) { return pg.CloneSpeed(ctx, bytes) }
		default:
			continue
		}
		m.Speeds = append(m.Speeds, measured(ctx, env, speed, take))
	}
	return m, nil
}

func measured(ctx context.Context, env *environment, speed plan.Speed, take func(*postgres.Server) (postgres.Speed, error)) plan.Speed {
	db, err := env.database(ctx, speed.Server, point{})
	if err != nil {
		speed.Missing = oneLine(err.Error())
		return speed
	}
	took, err := take(db.pg)
	if err != nil {
		speed.Missing = oneLine(err.Error())
		return speed
	}
	speed.Fixed, speed.Bytes, speed.Took, speed.Total = promotion.Milliseconds(took.Fixed), took.Bytes, promotion.Milliseconds(took.Took), took.Total
	return speed
}

// lastPromotion is what the steps of the last promotion took that ended well.
func (s *Server) lastPromotion() plan.Measured {
	if s.store == nil {
		return plan.Measured{}
	}
	list, err := s.store.List()
	if err != nil {
		return plan.Measured{} // preflight says so
	}
	for _, e := range list { // newest first
		if e.Err != nil || e.State.Outcome != promotion.Done {
			continue
		}
		folder, err := s.store.Folder(e.ID)
		if err != nil {
			continue
		}
		p, err := readPlan(folder)
		if err != nil || !p.Has(promotion.Test) { // a backup or a restore by itself
			continue
		}
		replay, err := journal.Read(folder.Journal())
		if err != nil {
			continue
		}
		bytes := map[string]int64{}
		for _, item := range p.Steps {
			_, bytes[item.Name] = plan.DatabaseOf(item.Step)
		}
		m := plan.Measured{Promotion: e.ID}
		for _, phase := range promote.Account(e.ID, p, replay.Records, promotion.Proof{}).Phases {
			for _, st := range phase.Steps {
				if st.Status == promotion.Pass {
					m.Steps = append(m.Steps, plan.Earlier{Step: st.Name, Took: st.Took, Bytes: bytes[st.Name]})
				}
			}
		}
		return m
	}
	return plan.Measured{}
}
