package process

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestOutputAndItsErrors(t *testing.T) {
	out, err := Output(t.Context(), Command{Path: "sh", Args: []string{"-c", "echo hello"}})
	if err != nil || string(out) != "hello\n" {
		t.Fatalf("got %q, %v", out, err)
	}
	_, err = Output(t.Context(), Command{Path: "sh", Args: []string{"-c", "echo why >&2; exit 7"}})
	var e *Error
	if !errors.As(err, &e) || e.Code != 7 || e.Tail != "why" || e.Command != "sh -c" {
		t.Fatalf("got %+v", err)
	}
	if _, err := Output(t.Context(), Command{Path: "no-such-program"}); err == nil {
		t.Fatal("a missing program ran")
	}
}

func TestOnlyAllowedVariablesArrive(t *testing.T) {
	t.Setenv("PROMOTE_TEST_SECRET", "s3cret")
	out, err := Output(t.Context(), Command{Path: "env", Env: []string{"GIVEN=1"}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "s3cret") || !strings.Contains(string(out), "GIVEN=1") {
		t.Fatalf("environment of the child: %s", out)
	}
}

func TestTheWholeGroupEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := Output(ctx, Command{Path: "sh", Args: []string{"-c", "sleep 60 & wait"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if took := time.Since(started); took > 4*time.Second {
		t.Fatalf("a grandchild held the pipe for %s", took)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var tail Tail
	for range 1000 {
		_, _ = tail.Write([]byte("0123456789"))
	}
	_, _ = tail.Write([]byte("end"))
	if got := tail.String(); len(got) != tailBytes || !strings.HasSuffix(got, "end") {
		t.Fatalf("kept %d bytes, ending %q", len(got), got[len(got)-5:])
	}
}
