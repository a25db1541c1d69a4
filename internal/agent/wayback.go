package agent

import (
	"context"
	"strings"

	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// wayBack is what preflight found about the rollback of one database.
type wayBack struct {
	status  promotion.Status
	message string
	hint    string
}

// proveWayBack tries on throwaway databases what a rollback of c will need, after it looked up the rights that no trial
// shows: those over other people's sessions and, where the database is dumped, over its tables. Whatever is missing is said
// with the statements that give it.
func proveWayBack(ctx context.Context, pg *postgres.Server, c *step.CopyDatabase, dumped bool) wayBack {
	rights, err := pg.Rights(ctx, c.Database)
	if err != nil {
		return wayBack{promotion.Fail, "a rollback is not possible: " + err.Error(), ""}
	}
	missing := rights.Missing
	if dumped || c.Way == step.Load {
		unreadable, err := pg.Unreadable(ctx, c.Database)
		if err != nil && len(missing) == 0 { // else for want of what is missing
			return wayBack{promotion.Fail, "a rollback is not possible: " + err.Error(), ""}
		}
		missing = append(missing, unreadable...)
	}
	if len(missing) > 0 {
		var lacks, grants []string
		for _, m := range missing {
			lacks, grants = append(lacks, m.Right), append(grants, m.Grant)
		}
		return wayBack{
			promotion.Fail, "a rollback is not possible: " + rights.User + " may not " + strings.Join(lacks, ", nor "), "as an administrator of the server: " + strings.Join(grants, "; "),
		}
	}
	if err := pg.Probe(ctx, c.Database); err != nil {
		return wayBack{promotion.Fail, "a rollback is not possible: " + err.Error(), ""}
	}
	if c.Way == step.Load {
		return wayBack{promotion.Warn, "a dump is restored into a new database and swapped in: the user may not clone", ""}
	}
	return wayBack{promotion.Pass, "clone and swap were tried on a throwaway database", ""}
}
