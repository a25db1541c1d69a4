package step

import (
	"context"
	"fmt"
)

// CloseDatabase keeps everybody out of a database, so that nothing is written after the copy of it was taken.
type CloseDatabase struct {
	Server   string `json:"server"`
	Database string `json:"database"`
}

// Describe implements Step.
func (s *CloseDatabase) Describe() string {
	return fmt.Sprintf("close database %s to new sessions and prove that none is left", s.Database)
}

// DescribeUndo implements Undescriber.
func (s *CloseDatabase) DescribeUndo() string { return "open database " + s.Database + " again" }

// Do implements Step.
func (s *CloseDatabase) Do(ctx context.Context, t *Target) error {
	db, err := t.Databases(s.Server)
	if err != nil {
		return err
	}
	sessions, err := db.Close(ctx, s.Database)
	for _, session := range sessions {
		t.Note("info", "ended a session on "+s.Database+": "+session)
	}
	return err
}

// Undo implements Step.
func (s *CloseDatabase) Undo(ctx context.Context, t *Target) error {
	db, err := t.Databases(s.Server)
	if err != nil {
		return err
	}
	return db.Open(ctx, s.Database)
}

// OpenDatabase lets the new release in.
type OpenDatabase struct {
	Server   string `json:"server"`
	Database string `json:"database"`
}

// Describe implements Step.
func (s *OpenDatabase) Describe() string {
	return "open database " + s.Database + " to the new release"
}

// DescribeUndo implements Undescriber.
func (s *OpenDatabase) DescribeUndo() string { return "close database " + s.Database }

// Do implements Step.
func (s *OpenDatabase) Do(ctx context.Context, t *Target) error {
	return (&CloseDatabase{Server: s.Server, Database: s.Database}).Undo(ctx, t)
}

// Undo implements Step.
func (s *OpenDatabase) Undo(ctx context.Context, t *Target) error {
	return (&CloseDatabase{Server: s.Server, Database: s.Database}).Do(ctx, t)
}
