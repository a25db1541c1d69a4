package compose

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/engine"
)

func TestExecIsAConnection(t *testing.T) {
	t.Parallel()
	e := open(t)
	id := images(t, e, 1)[0]
	_ = e.RemoveContainer(t.Context(), "pt-exec")
	ctr, err := e.StartAgent(t.Context(), AgentSpec{Name: "pt-exec", Image: id, Args: []string{"serve"}, Labels: labelled})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.RemoveContainer(context.Background(), ctr) })

	var taken *NameTakenError
	_, err = e.StartAgent(t.Context(), AgentSpec{Name: "pt-exec", Image: id, Labels: labelled})
	if !errors.Is(err, ErrNameTaken) || !errors.As(err, &taken) || taken.Holder.ID != ctr || taken.Holder.Labels[testLabel] != testName {
		t.Errorf("a second of that name: %v", err)
	}

	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	data := make([]byte, 3<<20)
	_, _ = rand.New(rand.NewSource(seed)).Read(data)
	s, err := e.Exec(t.Context(), ctr, []string{"/promote", "cat"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go func() {
		_, _ = s.Write(data)
		_ = s.CloseWrite()
	}()
	back, err := io.ReadAll(s)
	if err != nil || !bytes.Equal(back, data) {
		t.Errorf("%d bytes back of %d, %v", len(back), len(data), err)
	}
	if got := s.Stderr(); got != "cat begins\ncat ends" {
		t.Errorf("standard error %q", got)
	}
	if code, err := s.Wait(t.Context()); code != 3 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	if _, err := e.Exec(t.Context(), "pt-none", []string{"/promote"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("exec in nothing: %v", err)
	}

	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	_ = tw.WriteHeader(&tar.Header{Name: "note", Size: 4, Mode: 0o600, Uid: 5})
	_, _ = tw.Write([]byte("text"))
	_ = tw.Close()
	if err := e.CopyTo(t.Context(), ctr, "/tmp", &buf); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if n, err := e.CopyFile(t.Context(), ctr, "/tmp/note", &out); n != 4 || err != nil || out.String() != "text" {
		t.Errorf("copied %q, %v", out.String(), err)
	}
	if _, err := e.CopyFrom(t.Context(), ctr, "/none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("copy of nothing: %v", err)
	}
	if st, err := e.Stats(t.Context(), ctr); err != nil || st.Memory == 0 {
		t.Errorf("stats %+v %v", st, err)
	}
	if lines, err := e.Logs(t.Context(), ctr, 1, time.Time{}); err != nil || len(lines) != 1 || lines[0] != "serving" {
		t.Errorf("logs %q %v", lines, err)
	}
	if found, err := e.FindByLabel(t.Context(), testLabel+"="+testName); err != nil || len(found) == 0 {
		t.Errorf("by label: %v %v", found, err)
	}
}

func TestRunTool(t *testing.T) {
	t.Parallel()
	e := open(t)
	id := images(t, e, 1)[0]
	if err := e.EnsureVolume(t.Context(), "pt-tool", labelled); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.RemoveVolume(context.Background(), "pt-tool") })
	var out bytes.Buffer
	code, stderr, err := e.RunTool(t.Context(), ToolSpec{
		Name: "pt-tool", Image: id, Args: []string{"cat"}, Labels: labelled, Stdin: strings.NewReader("hello"), Stdout: &out,
		Mounts: []engine.Mount{{Type: "volume", Name: "pt-tool", Target: "/v", RW: true}},
	})
	if code != 3 || err != nil || out.String() != "hello" || !strings.Contains(stderr, "cat ends") {
		t.Errorf("code %d, %v, out %q, stderr %q", code, err, out.String(), stderr)
	}
	if _, err := e.Container(t.Context(), "pt-tool"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the tool is still there: %v", err)
	}
	if _, _, err := e.RunTool(t.Context(), ToolSpec{Image: "promote-test/none:1", Labels: labelled}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a tool without image: %v", err)
	}
}

func TestLoadExecutableDynamic(t *testing.T) {
	t.Parallel()
	e := open(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	interp, err := interpreter(self)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("this test wants %q", interp)
	ref, err := e.LoadExecutable(t.Context(), self, "promote-test/self", labelled)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.RemoveImage(context.Background(), ref) })
	var out bytes.Buffer
	code, stderr, err := e.RunTool(t.Context(), ToolSpec{Image: ref, Args: []string{"-test.list", "TestRunTool"}, Labels: labelled, Stdout: &out})
	if code != 0 || err != nil || !strings.Contains(out.String(), "TestRunTool") {
		t.Errorf("code %d, %v: %s %s", code, err, out.String(), stderr)
	}
	start := time.Now()
	if again, err := e.LoadExecutable(t.Context(), self, "promote-test/self", labelled); err != nil || again != ref || time.Since(start) > 2*time.Second {
		t.Errorf("again: %s %v after %s", again, err, time.Since(start))
	}
	script := write(t, t.TempDir(), "script", "#!/bin/sh\n")
	if _, err := e.LoadExecutable(t.Context(), script, "promote-test/script", nil); !errors.Is(err, ErrNotRunnable) {
		t.Errorf("a script: %v", err)
	}
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	e := open(t)
	ids := images(t, e, 2)
	got, err := Transfer(t.Context(), e, ids, e, nil)
	if err != nil || got[ids[0]] != ids[0] || len(got) != 2 {
		t.Errorf("to the same engine: %v %v", got, err)
	}
	// Out and in again, by way of the stream that moves between engines.
	if err := e.RemoveImage(t.Context(), "promote-test/roundtrip:1"); err != nil {
		t.Fatal(err)
	}
	if err := e.TagImage(t.Context(), ids[0], "promote-test/roundtrip:1"); err != nil {
		t.Fatal(err)
	}
	var last engine.Progress
	loaded, err := stream(t.Context(), e, []string{"promote-test/roundtrip:1"}, e, 1, func(p engine.Progress) { last = p })
	if err != nil || len(loaded) != 1 || loaded[0] != "promote-test/roundtrip:1" || last.Current < 1<<20 {
		t.Errorf("loaded %v, %+v, %v", loaded, last, err)
	}
	_ = e.RemoveImage(t.Context(), "promote-test/roundtrip:1")
	if _, err := stream(t.Context(), e, []string{"promote-test/none:1"}, e, 1, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("a missing image: %v", err)
	}
}

func TestOpen(t *testing.T) {
	e := open(t)
	info, err := e.Info(t.Context())
	if err != nil || info.ID == "" || info.OS != "linux" || info.CPUs == 0 || info.Time.IsZero() || info.APIVersion == "" {
		t.Errorf("info %+v %v", info, err)
	}
	if other, err := Open(t.Context(), engine.Endpoint{Host: e.Host()}); err != nil {
		t.Error(err)
	} else if i, err := other.Info(t.Context()); err != nil || i.ID != info.ID {
		t.Errorf("by address: %+v %v", i, err)
	}
}

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	tests := []struct{ host, want string }{
		{"unix:///nowhere/docker.sock", "start Docker"},
		{"tcp://127.0.0.1:1", "TLS files"},
		{"http://x", "accepted are unix://PATH"},
		{"ssh://", "ssh://[user@]host"},
		{"ssh://nobody@127.0.0.1:1", "must be allowed to use Docker"},
	}
	for _, tt := range tests {
		_, err := Open(t.Context(), engine.Endpoint{Host: tt.host})
		var ee *EndpointError
		if !errors.As(err, &ee) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.host) {
			t.Errorf("%s: %v", tt.host, err)
		}
	}
	_, err := Open(t.Context(), engine.Endpoint{Host: "tcp://127.0.0.1:1", CA: "x"})
	if err == nil || !strings.Contains(err.Error(), "all of ca, cert and key") {
		t.Errorf("half of TLS: %v", err)
	}
}
