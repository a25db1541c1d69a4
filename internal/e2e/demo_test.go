package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/org/promote-action/internal/promotion"
)

// demoProcess is promote demo as it runs.
type demoProcess struct {
	cmd    *exec.Cmd
	temp   string // its TMPDIR
	stdout text
	stderr text
	over   chan struct{}
}

// text is what a process writes, to be read while it does.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.String()
}

func startDemo(t *testing.T, temp string, args ...string) *demoProcess {
	t.Helper()
	need(t)
	d := &demoProcess{temp: temp, over: make(chan struct{})}
	d.cmd = exec.Command(world.binary, append([]string{"demo"}, args...)...)
	d.cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	d.cmd.Dir = filepath.Join("..", "..") // a clone: the shop is compiled from source
	d.cmd.Stdout, d.cmd.Stderr = &d.stdout, &d.stderr
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = d.cmd.Wait() // the tests look at its state
		close(d.over)
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.over
	})
	return d
}

// wait waits for the end and returns the exit code, -1 of one that was killed.
func (d *demoProcess) wait(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-d.over:
		return d.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("the demo is not over after %s\n%s", limit, d.stderr.String())
		return 0
	}
}

// id is the demo's id, once it has left its trace; "" when it ended before.
func (d *demoProcess) id(t *testing.T) string {
	t.Helper()
	for {
		list, err := world.engine.VolumeList(t.Context(), volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "dev.promote.demo.trace"))})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list.Volumes {
			if strings.HasPrefix(v.Labels["dev.promote.demo.lock"], d.temp+string(filepath.Separator)) {
				return v.Labels["dev.promote.demo.trace"]
			}
		}
		select {
		case <-d.over:
			return ""
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// left are the things on the engine that belong to the demo with the id.
func left(t *testing.T, id string) []string {
	t.Helper()
	var names []string
	containers, err := world.engine.ContainerList(t.Context(), container.ListOptions{All: true})
	for _, c := range containers {
		names = append(names, "container "+strings.Join(c.Names, " ")+" "+c.Labels["dev.promote.project"]+" "+c.Labels["dev.promote.demo.seed"])
	}
	volumes, verr := world.engine.VolumeList(t.Context(), volume.ListOptions{})
	for _, v := range volumes.Volumes {
		names = append(names, "volume "+v.Name)
	}
	networks, nerr := world.engine.NetworkList(t.Context(), network.ListOptions{})
	for _, n := range networks {
		names = append(names, "network "+n.Name)
	}
	images, ierr := world.engine.ImageList(t.Context(), image.ListOptions{})
	for _, i := range images {
		names = append(names, "image "+strings.Join(i.RepoTags, " "))
	}
	if err := errors.Join(err, verr, nerr, ierr); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range names {
		if strings.Contains(name, "shop-"+id+"-") || strings.Contains(name, "promote-demo-"+id) {
			out = append(out, name)
		}
	}
	return out
}

// files are what is in the demo's temporary folder, locks without content excepted.
func (d *demoProcess) files(t *testing.T) []string {
	t.Helper()
	var out []string
	entries, err := os.ReadDir(d.temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "promote-demo-images-") {
			out = append(out, e.Name())
		}
	}
	return out
}

func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Parallel()
	d := startDemo(t, t.TempDir(), "--format", "json")
	id := d.id(t)
	if code := d.wait(t, 10*time.Minute); code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, d.stdout.String(), d.stderr.String())
	}
	if found := left(t, id); id == "" || len(found) > 0 {
		t.Errorf("demo %q left %q", id, found)
	}
	var got struct {
		Schema    string
		Outcome   string
		Promotion promotion.Result
		Rollback  promotion.Result
		Unchanged bool               `json:"staging_unchanged"`
		Took      map[string]float64 `json:"seconds"`
	}
	if err := json.Unmarshal([]byte(d.stdout.String()), &got); err != nil {
		t.Fatalf("%v\n%s", err, d.stdout.String())
	}
	t.Logf("seconds: %v", got.Took)
	if got.Schema != "promote.demo/1" || got.Outcome != "shown" || got.Promotion.Outcome != promotion.Done || got.Rollback.Outcome != promotion.RolledBack || !got.Unchanged {
		t.Errorf("%s", d.stdout.String())
	}
	for _, path := range []string{got.Promotion.LogPath, got.Promotion.ReportPath, got.Promotion.BackupPath, got.Rollback.LogPath, got.Rollback.ReportPath, got.Rollback.BackupPath} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(d.temp, "promote-demo-*", "shop")); len(found) > 0 {
		t.Errorf("the sample is still there: %q", found)
	}
}

// Whenever it is interrupted, nothing is left: at a moment before the promotion, and in the midst of it.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	moments := []string{pick("▸ build", "▸ start development", "▸ promote plan", "▸ promote run")}
	if whole() {
		moments = append(moments, pick("backup: started", "shutdown: started", "deploy: started", "verify: started"))
	}
	for _, words := range moments {
		after := time.Duration(random.Int64N(int64(3 * time.Second)))
		t.Run(words, func(t *testing.T) {
			d := startDemo(t, t.TempDir())
			id := d.id(t)
			for !strings.Contains(d.stderr.String(), words) {
				select {
				case <-d.over:
					t.Fatalf("it ended before %q\n%s", words, d.stderr.String())
				case <-time.After(20 * time.Millisecond):
				}
			}
			time.Sleep(after)
			_ = d.cmd.Process.Signal(os.Interrupt) // where it is over, its code says so
			asked := time.Now()
			if code := d.wait(t, 2*time.Minute); code != 1 {
				t.Errorf("exit code %d\n%s", code, d.stderr.String())
			}
			t.Logf("interrupted %s after %q, over after %s more", after.Round(time.Millisecond), words, time.Since(asked).Round(time.Millisecond))
			if found := left(t, id); len(found) > 0 {
				t.Errorf("left: %q\n%s", found, d.stderr.String())
			}
			if files := d.files(t); len(files) > 0 {
				t.Errorf("files left: %q\n%s", files, d.stderr.String())
			}
		})
	}
}

// What a killed demo left goes when the next one begins.
func TestDemoKilled(t *testing.T) {
	if !whole() {
		t.Skip("the interrupted one shows nearly the same; PROMOTE_E2E=whole runs this too")
	}
	t.Parallel()
	temp := t.TempDir()
	first := startDemo(t, temp)
	id := first.id(t)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && len(left(t, id)) < 14; { // both environments have begun to start
		time.Sleep(200 * time.Millisecond)
	}
	_ = first.cmd.Process.Signal(syscall.SIGKILL)
	first.wait(t, time.Minute)
	if len(left(t, id)) == 0 {
		t.Fatalf("nothing was left to remove\n%s", first.stderr.String())
	}
	second := startDemo(t, temp)
	for deadline := time.Now().Add(time.Minute); len(left(t, id)) > 0; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left by the killed demo: %q\n%s", left(t, id), second.stderr.String())
		}
	}
	_ = second.cmd.Process.Signal(os.Interrupt)
	second.wait(t, 2*time.Minute)
	if files := second.files(t); len(files) > 0 {
		t.Errorf("files left: %q\n%s", files, second.stderr.String())
	}
}
