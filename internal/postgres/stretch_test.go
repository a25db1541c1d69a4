package postgres

import (
	"testing"
)

// A table that several sessions read in stretches has the fingerprint of one reading: no row is missed or read twice.
func TestABigTableIsReadInStretches(t *testing.T) {
	makeDatabase(t, "stretches", "",
		"CREATE TABLE wide (id int, filler text); ALTER TABLE wide ALTER filler SET STORAGE PLAIN",
		"INSERT INTO wide SELECT i, repeat('x', 7500) FROM generate_series(1, 13000) i", // one row a page
		"DELETE FROM wide WHERE id % 1000 = 0 OR id BETWEEN 4090 AND 4100")              // at the seam too
	s := open(t)
	rows, err := s.RowFingerprints(t.Context(), "stretches", RowOptions{Parallel: 3})
	if err != nil {
		t.Fatal(err)
	}
	const h = "hash_record_extended(ROW(id, filler), 0)"
	if s.Major() < 14 {
		t.Skip("before PostgreSQL 14 a table is read in one piece")
	}
	want := value(t, "stretches", "SELECT lpad(to_hex(bit_xor("+h+")), 16, '0') || '/' || sum("+h+") FROM wide")
	got := rows.Tables["public.wide"]
	if got.Hash != want || got.Count != 12976 {
		t.Errorf("%d rows, hash %s; one reading gives %s", got.Count, got.Hash, want)
	}
	rel := &relation{schema: "public", name: "wide", kind: "r", pages: 13000}
	if n := len(stretches([]*relation{rel}, 15)); n != 3 {
		t.Errorf("%d stretches of 13000 pages", n)
	}
	if n := len(stretches([]*relation{rel}, 13)); n != 1 {
		t.Errorf("%d stretches for a server that would read all of the table for each", n)
	}
}
