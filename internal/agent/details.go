package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/setting"
	"github.com/org/promote-action/internal/snapshot"
)

// DetailsRequest asks for a snapshot with all that a comparison reads. The key hashes what must not be seen; it is known to
// the driver and to both agents for as long as a comparison takes, and is never written down.
type DetailsRequest struct {
	Spec       Spec          `json:"spec"`
	Key        []byte        `json:"key"`
	Secret     []string      `json:"secret,omitempty"`    // patterns of names that are secrets
	Reference  []string      `json:"reference,omitempty"` // tables that are read row by row
	Flags      []FlagSource  `json:"flags,omitempty"`
	Rows       time.Duration `json:"rows"`        // that the reading of rows may take for each database; 0: none
	SchemaOnly bool          `json:"schema_only"` // nothing but the catalogs
}

// detailsLimit bounds the reading of one environment.
const detailsLimit = 5 * time.Minute

// details reads the environment for a comparison. What cannot be read is said where it is missing.
func (s *Server) details(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[DetailsRequest](in)
	if err != nil {
		return nil, err
	}
	reader, err := setting.NewReader(req.Key, req.Secret)
	if err != nil {
		return nil, &Error{Message: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, detailsLimit)
	defer cancel()
	d := &detailer{env: s.environment(req.Spec), req: req, reader: reader}
	return d.read(ctx)
}

// detailer reads one environment.
type detailer struct {
	env    *environment
	req    DetailsRequest
	reader *setting.Reader
}

func (d *detailer) read(ctx context.Context) (snapshot.Snapshot, error) {
	started := time.Now()
	var snap snapshot.Snapshot
	var err error
	if d.req.SchemaOnly {
		snap, err = d.env.outline(ctx)
	} else {
		snap, err = d.env.Read(ctx)
	}
	if err != nil {
		return snap, err
	}
	all, err := d.env.containers(ctx)
	if err != nil {
		return snap, err
	}
	details := &snapshot.Details{Keyed: d.reader.Fingerprint(), At: started.UTC()}
	if d.req.SchemaOnly {
		details.Catalogs = d.catalogs(ctx, all)
	} else {
		d.all(ctx, &snap, details, all)
	}
	details.Took = time.Since(started).Seconds()
	snap.Details = details
	return snap, nil
}

// all reads the parts beside each other; the databases with one connection, one after the other.
func (d *detailer) all(ctx context.Context, snap *snapshot.Snapshot, details *snapshot.Details, all []engine.Container) {
	var wg sync.WaitGroup
	var problem error
	wg.Go(func() { details.Configs, problem = d.configs(ctx, all) })
	wg.Go(func() { details.Catalogs = d.catalogs(ctx, all) })
	subject, err := d.env.subject(ctx)
	if err == nil {
		wg.Go(func() { details.Versions = d.versions(ctx, subject) })
	}
	wg.Wait()
	if err != nil {
		snap.Missing = append(snap.Missing, snapshot.Missing{Part: "version endpoints", Reason: err.Error()})
	}
	if problem != nil {
		snap.Missing = append(snap.Missing, snapshot.Missing{Part: "configuration", Reason: problem.Error()})
	}
	details.Flags = d.flags(ctx, subject, all)
}

// outline is a snapshot without its services: enough to know which environment it is of.
func (e *environment) outline(ctx context.Context) (snapshot.Snapshot, error) {
	s := snapshot.Snapshot{Schema: snapshot.Schema, Environment: e.spec.Environment, Project: e.spec.Project, TakenAt: time.Now().UTC()}
	all, err := e.containers(ctx)
	if err != nil {
		return s, err
	}
	return s, e.join(ctx, all)
}

// versions asks the version endpoints.
func (d *detailer) versions(ctx context.Context, subject check.Subject) map[string]snapshot.Endpoint {
	tests := slices.DeleteFunc(check.Tests(subject), func(t check.Test) bool { return t.Category != "api" || t.Name != "version" })
	if len(tests) == 0 {
		return nil
	}
	results, err := check.Run(ctx, tests, check.Options{})
	out := map[string]snapshot.Endpoint{}
	for _, c := range results {
		switch {
		case c.Value != "":
			out[c.Service] = snapshot.Endpoint{Version: c.Value}
		case c.Status != promotion.Skip:
			out[c.Service] = snapshot.Endpoint{Error: cmp.Or(c.Message, "it says no version")}
		}
	}
	if err != nil {
		for _, t := range tests {
			if _, known := out[t.Service]; !known {
				out[t.Service] = snapshot.Endpoint{Error: err.Error()}
			}
		}
	}
	return out
}

// catalogs reads every database of the environment. A server that cannot be reached has an entry that says so.
func (d *detailer) catalogs(ctx context.Context, all []engine.Container) []snapshot.Catalog {
	servers, err := d.env.servers(ctx, all)
	if err != nil {
		return []snapshot.Catalog{{Error: err.Error()}}
	}
	var out []snapshot.Catalog
	for _, found := range servers {
		out = append(out, d.ofServer(ctx, found)...)
	}
	slices.SortFunc(out, func(a, b snapshot.Catalog) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Database, b.Database))
	})
	return out
}

func (d *detailer) ofServer(ctx context.Context, found databaseServer) []snapshot.Catalog {
	missing := func(db string, err error) snapshot.Catalog {
		return snapshot.Catalog{Server: found.name, Database: db, Error: strings.TrimSpace(err.Error())}
	}
	pg, err := found.open(ctx)
	if err != nil {
		return []snapshot.Catalog{missing("", err)}
	}
	list, err := pg.Databases(ctx)
	if err != nil {
		return []snapshot.Catalog{missing("", err)}
	}
	var out []snapshot.Catalog
	wanted := found.wanted(list)
	for _, name := range found.only {
		if !slices.ContainsFunc(wanted, func(db postgres.Database) bool { return db.Name == name }) {
			out = append(out, snapshot.Catalog{Server: found.name, Database: name, Error: "there is no such database; there are " + names(list)})
		}
	}
	for _, db := range wanted {
		c, err := pg.Catalog(ctx, db.Name, postgres.CatalogOptions{Rows: d.req.Rows, Reference: d.req.Reference})
		if err != nil {
			c = missing(db.Name, err)
		}
		c.Server = found.name
		out = append(out, c)
	}
	return out
}
