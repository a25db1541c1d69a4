package agent

import "testing"

func TestMajorOfAnImage(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want int
	}{
		{map[string]string{"PG_MAJOR": "15", "PG_VERSION": "15.4-1.pgdg"}, 15},
		{map[string]string{"PG_VERSION": "16.2"}, 16},
		{map[string]string{"PG_MAJOR": "9.6"}, 9},
		{map[string]string{"PATH": "/bin"}, 0},
		{map[string]string{"PG_MAJOR": "next"}, 0},
	} {
		if got := majorOf(c.env); got != c.want {
			t.Errorf("%v: %d, want %d", c.env, got, c.want)
		}
	}
}
