package postgres

import (
	"testing"
	"time"
)

// TestSpeeds: a small database is read whole for its speed, what is stored outside of its tables counts, and neither
// measurement leaves anything.
func TestSpeeds(t *testing.T) {
	makeDatabase(t, "speeds", "",
		"CREATE TABLE narrow (id int); INSERT INTO narrow SELECT generate_series(1, 5000)",
		"CREATE TABLE broad (id int, data text); ALTER TABLE broad ALTER data SET STORAGE EXTERNAL",
		"INSERT INTO broad SELECT i, repeat('x', 100000) FROM generate_series(1, 30) i", "CREATE TABLE empty (id int)")
	s := open(t)
	if s.Major() < 14 {
		t.Skip("before PostgreSQL 14 no part of a table is read alone")
	}
	read, err := s.ReadSpeed(t.Context(), "speeds")
	if err != nil {
		t.Fatal(err)
	}
	if read.Total < 3_000_000 || read.Took <= 0 || read.Fixed <= 0 {
		t.Errorf("reading: %+v", read)
	}
	if read.Took < sampleTime && read.Bytes < read.Total*9/10 {
		t.Errorf("%d bytes of %d were read in %v", read.Bytes, read.Total, read.Took)
	}
	for _, bytes := range []int64{0, 12 << 20} {
		clone, err := s.CloneSpeed(t.Context(), bytes)
		if err != nil {
			t.Fatal(err)
		}
		if clone.Of(bytes) <= 0 || (bytes == 0 && clone.Bytes > 0) {
			t.Errorf("clone of %d bytes: %+v", bytes, clone)
		}
	}
	if left := value(t, "postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%speed%' AND datname <> 'speeds'"); left != "0" {
		t.Errorf("%s databases are left", left)
	}
	if _, err := s.ReadSpeed(t.Context(), "nowhere"); err == nil {
		t.Error("the speed of a database that is not there")
	}
}

func TestSpeedOf(t *testing.T) {
	s := Speed{Fixed: time.Second, Bytes: 100, Took: 2 * time.Second}
	if got := s.Of(300); got != 7*time.Second {
		t.Errorf("%v", got)
	}
	if got := (Speed{Fixed: time.Second}).Of(300); got != time.Second {
		t.Errorf("%v of a speed that is flat", got)
	}
}
