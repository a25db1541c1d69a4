package postgres

import (
	"fmt"
	"testing"
)

func TestQueryReadsAndNeverWrites(t *testing.T) {
	s := open(t)
	makeDatabase(t, "query_test", "", "CREATE TABLE a (b int, c text); INSERT INTO a VALUES (1, NULL), (2, 'x')")
	rows, err := s.Query(t.Context(), "query_test", "SELECT b, c, b > 1 FROM a ORDER BY b;")
	if err != nil || fmt.Sprintf("%q", rows) != `[["1" "" "f"] ["2" "x" "t"]]` {
		t.Errorf("%q, %v", rows, err)
	}
	for sql, want := range map[string]string{
		"DELETE FROM a":                        "25006",
		"COMMIT; DELETE FROM a":                "42601",
		"SELECT 1; SELECT 2":                   "42601",
		"SELECT nothing":                       "42703",
		"COMMIT":                               "",
		"SELECT set_config('x.y', 'z', false)": "",
	} {
		if _, err := s.Query(t.Context(), "query_test", sql); code(err) != want {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if n := value(t, "query_test", "SELECT count(*) FROM a"); n != "2" {
		t.Errorf("%s rows are left", n)
	}
}
