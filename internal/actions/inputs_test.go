package actions

import (
	"maps"
	"testing"
)

func TestReadInputs(t *testing.T) {
	got := ReadInputs([]string{
		"PATH=/bin", "INPUT_COMMAND= run \n", "INPUT_DISCARD-WRITES=true", "INPUT_TO=", "INPUT_ARGS=x", "INPUT_ENTRYPOINT=y", "INPUT_A_B=c=d", "INPUTX=1", "INPUT_",
	})
	want := Inputs{"command": "run", "discard-writes": "true", "a_b": "c=d"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCalled(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    bool
	}{
		{nil, false},
		{[]string{"GITHUB_ACTIONS=true"}, false},
		{[]string{"INPUT_COMMAND=run"}, false},
		{[]string{"GITHUB_ACTIONS=true", "INPUT_COMMAND="}, true},
	} {
		if got := Called(c.environ); got != c.want {
			t.Errorf("%v: %v", c.environ, got)
		}
	}
}
