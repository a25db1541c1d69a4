package agent

import (
	"context"
	"encoding/json"

	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/step"
)

var _ step.Globals = (*database)(nil)

// Globals implements step.Globals.
func (d *database) Globals(ctx context.Context) ([]byte, error) {
	g, err := d.pg.ReadGlobals(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(g)
}

// RestoreGlobals implements step.Globals.
func (d *database) RestoreGlobals(ctx context.Context, data []byte, databases []string) error {
	var was postgres.Globals
	if err := json.Unmarshal(data, &was); err != nil {
		return err
	}
	return d.pg.RestoreGlobals(ctx, was, databases)
}

// CompareGlobals implements step.Globals.
func (d *database) CompareGlobals(ctx context.Context, data []byte) ([]string, error) {
	var was postgres.Globals
	if err := json.Unmarshal(data, &was); err != nil {
		return nil, err
	}
	now, err := d.pg.ReadGlobals(ctx)
	if err != nil {
		return nil, err
	}
	return was.Differences(now), nil
}
