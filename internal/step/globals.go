package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/org/promote-action/internal/promotion"
)

// Globals is a database server that can tell, and give back, what lies outside its databases: roles and parameters.
type Globals interface {
	// Globals describes them. It holds password hashes.
	Globals(ctx context.Context) ([]byte, error)
	// RestoreGlobals makes them as described. Roles that were not there are dropped, after what they own in the databases
	// went to the server's administrator.
	RestoreGlobals(ctx context.Context, data []byte, databases []string) error
	// CompareGlobals says what differs from the description, in words without secrets.
	CompareGlobals(ctx context.Context, data []byte) ([]string, error)
}

// RecordGlobals writes down the roles and parameters of a server, which no copy of a database holds.
type RecordGlobals struct {
	Server    string   `json:"server"`
	Databases []string `json:"databases"` // where a new role may own something
}

// GlobalsFile is where a restore point keeps what Globals told of a server.
func GlobalsFile(server string) string { return "globals/" + digest(server) + ".json" }

// Describe implements Step.
func (s *RecordGlobals) Describe() string {
	return "record roles, memberships and parameters of database server " + s.Server
}

// DescribeUndo implements Undescriber.
func (s *RecordGlobals) DescribeUndo() string {
	return "put roles, memberships and parameters of " + s.Server + " back"
}

// Do implements Step.
func (s *RecordGlobals) Do(ctx context.Context, t *Target) error {
	server, err := s.server(t)
	if server == nil || err != nil {
		return err
	}
	data, err := server.Globals(ctx)
	if err != nil {
		return err
	}
	return t.Point.Write(GlobalsFile(s.Server), data)
}

// Undo implements Step. A difference that stays is ErrDiffers.
func (s *RecordGlobals) Undo(ctx context.Context, t *Target) error {
	if !t.Started("open-database") {
		return nil // nobody was let in since
	}
	data, err := t.Point.Read(GlobalsFile(s.Server))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	server, err := s.server(t)
	if server == nil || err != nil {
		return err
	}
	differences, err := server.CompareGlobals(ctx, data)
	if err != nil {
		return err
	}
	if len(differences) > 0 && t.Started("phase verify") {
		// The release was let loose: who changed what since cannot be told apart.
		t.Note("warning", fmt.Sprintf("roles and parameters of %s are left as they are now: %s", s.Server, strings.Join(first(differences, 5), "; ")))
		return nil
	}
	var failed error
	if len(differences) > 0 {
		t.Note("info", fmt.Sprintf("put back on %s: %s", s.Server, strings.Join(first(differences, 5), "; ")))
		failed = server.RestoreGlobals(ctx, data, s.Databases)
		if differences, err = server.CompareGlobals(ctx, data); err != nil {
			return errors.Join(failed, err)
		}
	}
	item := promotion.ProofItem{Area: "roles", Name: s.Server, Want: "as recorded", Got: "as recorded", Equal: len(differences) == 0}
	if !item.Equal {
		item.Got, item.Reason = fmt.Sprintf("%d differences", len(differences)), strings.Join(first(differences, 5), "; ")
	}
	t.Prove(item)
	if !item.Equal {
		return errors.Join(fmt.Errorf("roles and parameters of %s %w: %s", s.Server, ErrDiffers, item.Reason), failed)
	}
	return nil
}

// server is nil where it cannot tell.
func (s *RecordGlobals) server(t *Target) (Globals, error) {
	db, err := t.Databases(s.Server)
	if err != nil {
		return nil, err
	}
	g, _ := db.(Globals)
	return g, nil
}
