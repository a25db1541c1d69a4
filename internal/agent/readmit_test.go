package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/fault"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

const readmitProject = "promote-readmit"

// A release that changes the password of promote's own user, or shuts it out, is rolled back all the same.
func TestARollbackGetsInAgain(t *testing.T) {
	e, err := compose.Open(t.Context(), engine.Endpoint{})
	var endpoint *compose.EndpointError
	if errors.As(err, &endpoint) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	id := passwordServer(t, e)
	admin := func(sql string) {
		env := environment{engine: e}
		if err := env.feed(t.Context(), id, "", []string{"psql", "-qX", "--set=ON_ERROR_STOP=1", "--username=boss", "--dbname=postgres"}, sql); err != nil {
			t.Fatal(err)
		}
	}
	admin("CREATE ROLE \"Modest One\" LOGIN CREATEROLE PASSWORD 'it''s'")

	for _, c := range []struct {
		name    string
		spec    DatabaseSpec
		change  string
		refused string
	}{
		{name: "superuser", change: "ALTER ROLE boss PASSWORD 'other'"},
		{name: "another user", spec: DatabaseSpec{User: "Modest One", Password: "it's"}, change: "ALTER ROLE \"Modest One\" PASSWORD 'other'"},
		{name: "expired", spec: DatabaseSpec{User: "Modest One", Password: "it's"}, change: "ALTER ROLE \"Modest One\" VALID UNTIL '2001-01-01'"},
		{name: "gone", spec: DatabaseSpec{User: "Modest One", Password: "it's"}, change: "DROP ROLE \"Modest One\"", refused: `role "Modest One" does not exist`},
		{name: "external", spec: DatabaseSpec{URL: "postgres://boss:first@HOST/postgres"}, change: "ALTER ROLE boss PASSWORD 'other'", refused: `no other way in`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spec.Name = "db"
			if c.spec.URL == "" {
				c.spec.Service = "db"
			} else {
				one, err := e.Container(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				c.spec.URL = strings.ReplaceAll(c.spec.URL, "HOST", address(one))
			}
			r := rollingBack(t, e, id, c.spec)
			target := r.runner.Target
			target.Note, target.Started = func(string, string) {}, func(kind string) bool { return kind == "open-database" }
			var proof []promotion.ProofItem
			target.Prove = func(items ...promotion.ProofItem) { proof = append(proof, items...) }
			record := &step.RecordGlobals{Server: "db", Databases: []string{"postgres"}}
			if err := record.Do(t.Context(), &target); err != nil {
				t.Fatal(err)
			}
			admin(c.change)
			if _, err := target.Databases("db"); !errors.Is(err, postgres.ErrPassword) || !strings.Contains(err.Error(), `\password "`) {
				t.Fatalf("before the rollback: %v", err)
			}
			if _, err := r.journal.Append(journal.Record{Type: journal.Phase, Phase: promotion.Rollback}); err != nil {
				t.Fatal(err)
			}
			err := record.Undo(t.Context(), &target)
			warnings := strings.Join(promote.Account(r.id, r.plan, r.journal.Records(), promotion.Proof{}).Warnings, "\n")
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) || !strings.Contains(err.Error(), `\password "`) || strings.Contains(err.Error(), "it's") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(proof) != 1 || !proof[0].Equal {
				t.Errorf("proof %+v", proof)
			}
			if !strings.Contains(warnings, "the release changed the password of ") || !strings.Contains(warnings, "in container "+readmitProject+"-db-1 as boss") {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

// rollingBack is a promotion whose agent is the server's container, which is in every network that it needs.
func rollingBack(t *testing.T, e *compose.Engine, id string, d DatabaseSpec) *running {
	t.Helper()
	store, err := journal.OpenStore(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := fault.NewWorld(fault.Shape{Databases: 1}).Plan()
	if err != nil {
		t.Fatal(err)
	}
	p.Class = plan.Restore
	s := Server{options: Options{Project: readmitProject}, engine: e, self: id, store: store, passed: newStopwatch()}
	r, err := s.create(Begin{ID: idDone, By: "test", Plan: p, Spec: Spec{Environment: "staging", Project: readmitProject, Databases: []DatabaseSpec{d}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

// passwordServer is a container of a stack whose server asks everyone for a password but its own socket.
func passwordServer(t *testing.T, e *compose.Engine) string {
	t.Helper()
	docker, err := demo.Connect(e.Host())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	remove := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := demo.RemovePromoted(ctx, docker, readmitProject); err != nil {
			t.Error(err)
		}
	}
	remove() // what a killed test left
	t.Cleanup(remove)
	image, err := demo.EnsurePostgres(t.Context(), docker, 15, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	made, err := docker.ContainerCreate(t.Context(), &container.Config{
		Image: image, Env: []string{"POSTGRES_USER=boss", "POSTGRES_PASSWORD=first", "POSTGRES_DB=postgres"},
		Labels: map[string]string{"com.docker.compose.project": readmitProject, "com.docker.compose.service": "db", "com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False"},
	}, nil, nil, nil, readmitProject+"-db-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := docker.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		c, err := e.Container(t.Context(), made.ID)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s user=boss password=first dbname=postgres sslmode=disable connect_timeout=2", address(c)))
		if err == nil {
			_ = conn.Close(t.Context())
			return made.ID
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
}
