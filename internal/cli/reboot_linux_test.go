package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/promotion"
)

// machine is a second host for containers: an engine in process, network and mount namespaces of its own. The end of its first
// process is the end of all, as when the power goes.
type machine struct {
	dir string
	cmd *exec.Cmd
}

const machineScript = `ip link set lo up && mount -t tmpfs tmpfs /run && exec dockerd --config-file "$1/daemon.json" --data-root "$1/data" \
 --exec-root /run/docker --pidfile /run/docker.pid -H "unix://$1/docker.sock" --iptables=false --ip-masq=false --bip 10.213.0.1/24 --storage-driver "$2" \
 --cgroup-parent /promote-test-machine`

func newMachine(t *testing.T) *machine {
	t.Helper()
	for _, program := range []string{"dockerd", "unshare", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("a second engine needs %s", program)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("a second engine needs root")
	}
	dir, err := os.MkdirTemp("", "promote-machine-")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{dir: dir}
	t.Cleanup(func() {
		m.off()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(m.log())
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "daemon.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.on(t)
	return m
}

func (m *machine) host() string { return "unix://" + filepath.Join(m.dir, "docker.sock") }

func (m *machine) log() string {
	data, _ := os.ReadFile(filepath.Join(m.dir, "log"))
	return string(data)
}

// on boots the machine. The storage driver that needs nothing of the kernel copies every layer, so that it comes last.
func (m *machine) on(t *testing.T) {
	t.Helper()
	driver := "vfs"
	if _, err := exec.LookPath("fuse-overlayfs"); err == nil {
		driver = "fuse-overlayfs"
	}
	log, err := os.OpenFile(filepath.Join(m.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	m.cmd = exec.Command("unshare", "-m", "-n", "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-c", machineScript, "machine", m.dir, driver)
	m.cmd.Stdout, m.cmd.Stderr = log, log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		e, err := compose.Open(t.Context(), engine.Endpoint{Host: m.host()})
		if err == nil {
			_ = e.Close()
			return
		}
	}
	t.Fatalf("the second engine does not start:\n%s", m.log())
}

// off takes the power away: every process of the machine gets SIGKILL at once.
func (m *machine) off() {
	if m.cmd == nil || m.cmd.Process == nil {
		return
	}
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
	_ = os.Remove(filepath.Join(m.dir, "docker.sock"))
}

// The host goes down in the middle of a promotion, and of a rollback. When it is up again the agent comes back and ends what it
// had begun, without anybody calling. On its way forward that may be back too, where it saw the engine go before it went itself.
func TestReboot(t *testing.T) {
	whole(t)
	m := newMachine(t)
	p := pairOn(t, m.host())
	p.linger(t, "3s")
	p.up(t)
	for _, c := range []struct {
		at     string
		cancel bool // so that it rolls back
		waits  bool // the driver outlives the crash
	}{
		{at: "shutdown: started"},
		{at: "deploy: started"},
		{at: "verify: started"},
		{at: "deploy: started", waits: true},
		{at: "rollback: started", cancel: true},
		{at: "rollback: started", cancel: true, waits: true},
	} {
		call := p.start(t, "alice", "run", "--release-hold", "--format", "json")
		if c.cancel {
			call.until(t, "deploy: started")
			call.signal(t, syscall.SIGINT)
		}
		call.until(t, c.at)
		m.off()
		if !c.waits {
			call.signal(t, syscall.SIGKILL)
		}
		m.on(t)
		p.gone(t)
		a := call.end(t)
		ended := p.last(t)
		t.Logf("down at %q: %s", c.at, ended)
		if ended == promotion.Done && !c.cancel {
			p.runs(t, p.next)
		} else {
			p.runs(t, p.first)
		}
		if ended != promotion.RolledBack && (c.cancel || ended != promotion.Done) {
			t.Errorf("down at %q: ended as %s", c.at, ended)
		}
		if c.waits && (a.result.Outcome != ended || a.code != ended.Code()) {
			t.Errorf("down at %q: %s, and the driver that waited: exit code %d: %s\n%s", c.at, ended, a.code, a.stdout, a.stderr)
		}
		p.run(t, 0, []string{"nothing to recover"}, "recover")
		if ended == promotion.Done {
			p.run(t, 0, nil, "rollback")
			p.runs(t, p.first)
		}
	}
}

// last is how the last promotion ended, as the history tells.
func (p *pair) last(t *testing.T) promotion.Outcome {
	t.Helper()
	var history struct {
		Promotions []struct {
			Outcome promotion.Outcome `json:"outcome"`
		} `json:"promotions"`
	}
	if err := json.Unmarshal([]byte(p.run(t, 0, nil, "history", "--format", "json").stdout), &history); err != nil || len(history.Promotions) == 0 {
		t.Fatalf("history: %v", err)
	}
	return history.Promotions[0].Outcome
}
