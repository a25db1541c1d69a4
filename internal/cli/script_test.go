package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/backup"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
)

// TestMain makes the test program promote itself when it is called by that name: by a script, or as the agent in a container.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"promote": func() { os.Exit(program()) },
	})
}

// program is promote, or a service that does nothing, for stacks of tests. PROMOTE_TEST_LINGERS is how long such a service takes
// to stop.
func program() int {
	if words := os.Getenv("PROMOTE_TEST_SAYS"); words != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		fmt.Println(words)
		<-ctx.Done()
		linger, _ := time.ParseDuration(os.Getenv("PROMOTE_TEST_LINGERS"))
		time.Sleep(linger)
		return 0
	}
	return Main(Process{Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ()})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, Cmds: scriptCommands()})
}

// TestScriptsOnEngine runs the scripts that need a container engine. Each has a Compose project of its own, $PROJECT, whose
// services may be made of $IMAGE; what it leaves is removed.
func TestScriptsOnEngine(t *testing.T) {
	e, err := compose.Open(t.Context(), engine.Endpoint{})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	sweep(t, e)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	image, err := e.LoadExecutable(t.Context(), exe, "promote-cli-test", map[string]string{testLabel: testName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, tag, _ := strings.Cut(image, ":")
		for _, ref := range []string{image, "promote-agent:" + tag} {
			_ = e.RemoveImage(ctx, ref)
		}
	})
	commands := scriptCommands()
	commands["up"] = func(ts *testscript.TestScript, neg bool, args []string) {
		model, err := compose.Load(t.Context(), compose.Source{
			Project: ts.Getenv("PROJECT"), Directory: ts.MkAbs("."), Files: []string{ts.MkAbs(args[0])}, Env: map[string]string{"IMAGE": image},
		})
		ts.Check(err)
		ts.Check(e.Up(t.Context(), model, compose.Deployment{}, nil))
	}
	commands["nothing-left"] = func(ts *testscript.TestScript, neg bool, args []string) {
		left, err := e.FindByLabel(t.Context(), agent.LabelProject+"="+ts.Getenv("PROJECT"))
		ts.Check(err)
		for _, c := range left {
			ts.Fatalf("container %s was left", c.Name)
		}
	}
	commands["no-state"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if _, err := e.Volume(t.Context(), agent.StateVolume(ts.Getenv("PROJECT"))); !errors.Is(err, compose.ErrNotFound) {
			ts.Fatalf("a state volume was left: %v", err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/docker", RequireExplicitExec: true, Cmds: commands,
		Setup: func(env *testscript.Env) error {
			project := "promote-cli-test-" + random()
			env.Setenv("PROJECT", project)
			env.Setenv("IMAGE", image)
			env.Setenv("DOCKER_HOST", os.Getenv("DOCKER_HOST"))
			env.Defer(func() { remove(t, e, project) })
			return nil
		},
	})
}

const (
	testLabel = "dev.promote.test"
	testName  = "cli"
)

func random() string {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// remove takes away all of a project, and what promote made for it.
func remove(t *testing.T, e *compose.Engine, project string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, label := range []string{agent.LabelProject + "=" + project, "com.docker.compose.project=" + project} {
		left, err := e.FindByLabel(ctx, label)
		if err != nil {
			t.Error(err)
		}
		for _, c := range left {
			if err := e.RemoveContainer(ctx, c.ID); err != nil {
				t.Error(err)
			}
		}
	}
	_ = e.RemoveVolume(ctx, agent.StateVolume(project))
	if err := e.Down(ctx, project, true, nil); err != nil {
		t.Error(err)
	}
}

// sweep removes what a killed predecessor left.
func sweep(t *testing.T, e *compose.Engine) {
	left, err := e.FindByLabel(t.Context(), testLabel+"="+testName)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range left {
		remove(t, e, c.Labels["com.docker.compose.project"])
	}
}

func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits":   exits,
		"backup":  makeBackup,
		"corrupt": corrupt,
		"stdout-json": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Check(oneDocument(ts.ReadFile("stdout"), args))
		},
	}
}

// exits runs a program and wants its exit code: exits 3 promote run …
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// makeBackup writes a backup: backup FOLDER ENVIRONMENT PROJECT [encrypted].
func makeBackup(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	w, err := backup.Create(dir)
	ts.Check(err)
	f, err := w.Add("databases/shop.dump.zst", backup.KindDump)
	ts.Check(err)
	_, err = f.Write([]byte("not really a dump"))
	ts.Check(err)
	ts.Check(f.Close())
	b, err := w.Seal(backup.Manifest{
		ID: "20260304-050607-42", Environment: args[1], Project: args[2], TakenAt: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), ToolVersion: "test",
		Databases: []backup.Database{{Service: "db", Name: "shop", File: "databases/shop.dump.zst"}},
	})
	ts.Check(err)
	if len(args) == 3 {
		return
	}
	key, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("key.txt"), []byte(key.String()+"\n"), 0o600))
	ts.Check(encrypt(b, dir, key.Recipient()))
}

func encrypt(b *backup.Backup, dir string, to age.Recipient) error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	go func() {
		_ = b.Send(context.Background(), out, "given")
		_ = out.Close()
	}()
	open := filepath.Join(filepath.Dir(dir), "open")
	if err := os.MkdirAll(open, 0o755); err != nil {
		return err
	}
	sealed, err := backup.Receive(context.Background(), in, open, filepath.Base(dir), backup.Options{Recipients: []age.Recipient{to}})
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(sealed.Dir, dir)
}

// corrupt changes one byte in the middle of a file.
func corrupt(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.WriteFile(path, data, 0o600))
}
