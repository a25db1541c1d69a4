package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/org/promote-action/internal/compare"
)

// ProbeRequest asks the target's rows.
type ProbeRequest struct {
	Spec   Spec            `json:"spec"`
	Probes []compare.Probe `json:"probes"`
}

// How long one probe may take, and all of them.
const (
	probeTimeout  = 30 * time.Second
	probesTimeout = 3 * time.Minute
)

// probes answers questions about rows, each in a read-only transaction. One that cannot be answered has an error: what it
// asks stays possible.
func (s *Server) probes(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[ProbeRequest](in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, probesTimeout)
	defer cancel()
	env := s.environment(req.Spec)
	all, err := env.containers(ctx)
	if err != nil {
		return nil, err
	}
	if err := env.join(ctx, all); err != nil {
		return nil, err
	}
	servers, err := env.servers(ctx, all)
	if err != nil {
		return nil, err
	}
	byName := map[string]databaseServer{}
	for _, server := range servers {
		byName[server.name] = server
	}
	results := make([]compare.ProbeResult, 0, len(req.Probes))
	for _, p := range req.Probes {
		r := compare.ProbeResult{ID: p.ID}
		if r.Rows, err = count(ctx, byName, p); err != nil {
			r.Error = err.Error()
		}
		results = append(results, r)
	}
	return results, nil
}

func count(ctx context.Context, servers map[string]databaseServer, p compare.Probe) (int64, error) {
	found, known := servers[p.Server]
	if !known {
		return 0, fmt.Errorf("there is no database server %s", p.Server)
	}
	pg, err := found.open(ctx)
	if err != nil {
		return 0, err
	}
	return pg.Count(ctx, p.Database, p.Query, probeTimeout)
}
