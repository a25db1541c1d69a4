package testkit

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/process"
)

// MajorVariable names the environment variable that chooses a major version of PostgreSQL. Its image is taken then, and
// made where it is not there, in place of the machine's own installation.
const MajorVariable = "PROMOTE_TEST_POSTGRES"

const rootPrefix = "promote-test-root-"

// label marks the containers that only serve to export an image.
const label = "dev.promote.testkit"

// root is the file system of a PostgreSQL image on this machine. Its programs run in it by chroot, in a mount namespace of
// their own that shows them the machine's temporary directory: processes, paths and ports are the machine's, and no mount
// is left by anything that is killed.
type root struct {
	dir     string // removed by close
	bin     string // scripts, named like the programs, that run them as the caller
	program string // where the programs are in it
	account string // uid:gid that the server runs as
}

var roots struct {
	sync.Mutex
	byMajor map[int]*root
}

// imageRoot returns the root of that major version, once per process.
func imageRoot(major int) (*root, error) {
	roots.Lock()
	defer roots.Unlock()
	if r := roots.byMajor[major]; r != nil {
		return r, nil
	}
	r, err := exportRoot(major)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL %d from its image: %w", major, err)
	}
	if roots.byMajor == nil {
		roots.byMajor = map[int]*root{}
	}
	roots.byMajor[major] = r
	return r, nil
}

// closeRoots removes what imageRoot made. Its servers must have been stopped.
func closeRoots() {
	roots.Lock()
	defer roots.Unlock()
	for _, r := range roots.byMajor {
		_ = os.RemoveAll(r.dir)
	}
	roots.byMajor = nil
}

func exportRoot(major int) (*root, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	removeExports(ctx, engine)
	image, err := demo.EnsurePostgres(ctx, engine, major, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", rootPrefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	r := &root{dir: dir, bin: filepath.Join(dir, "bin")}
	if err := r.fill(ctx, engine, image, major); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return r, nil
}

func (r *root) fill(ctx context.Context, engine client.APIClient, image string, major int) error {
	system, archive := filepath.Join(r.dir, "system"), filepath.Join(r.dir, "system.tar")
	for _, dir := range []string{system, r.bin} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(r.dir, 0o755); err != nil { // the server's account goes through it
		return err
	}
	if err := export(ctx, engine, image, archive); err != nil {
		return err
	}
	unpack := process.Command{Path: "tar", Args: []string{"-xf", archive, "-C", system, "--exclude=dev/*", "--exclude=usr/share/doc/*", "--exclude=usr/share/man/*"}}
	if _, err := process.Output(ctx, unpack); err != nil {
		return err
	}
	if err := os.Remove(archive); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(system, os.TempDir()), 0o755); err != nil {
		return err
	}
	accounts, err := os.ReadFile(filepath.Join(system, "etc/passwd"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(accounts)) {
		if f := strings.Split(line, ":"); len(f) > 3 && f[0] == account {
			r.account = f[2] + ":" + f[3]
		}
	}
	if r.account == "" {
		return fmt.Errorf("%s has no account %s", image, account)
	}
	return r.scripts(system, fmt.Sprintf("/usr/lib/postgresql/%d/bin", major))
}

func export(ctx context.Context, engine client.APIClient, image, archive string) error {
	c, err := engine.ContainerCreate(ctx, &container.Config{Image: image, Labels: map[string]string{label: strconv.Itoa(os.Getpid())}}, nil, nil, nil, "")
	if err != nil {
		return err
	}
	defer func() {
		_ = engine.ContainerRemove(context.WithoutCancel(ctx), c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	}()
	stream, err := engine.ContainerExport(ctx, c.ID)
	if err != nil {
		return err
	}
	defer stream.Close()
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, stream); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

// removeExports removes the containers of processes that were killed while they exported an image.
func removeExports(ctx context.Context, engine client.APIClient) {
	list, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label))})
	if err != nil {
		return // the next call says what is wrong with the engine
	}
	for _, c := range list {
		if pid, err := strconv.Atoi(c.Labels[label]); err == nil && syscall.Kill(pid, 0) != nil {
			_ = engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		}
	}
}

// enter runs PROGRAM as UID:GID in the system. The mounts are in a namespace that ends with the program.
const enter = `#!/bin/sh
# usage: enter UID:GID PROGRAM [ARGUMENT…]
exec unshare --mount --propagation private /bin/sh -e -c '
system=$1 temp=$2 account=$3
shift 3
for dir in /proc /dev "$temp"; do mount --rbind "$dir" "$system$dir"; done
exec chroot --userspec="$account" "$system" "$@"' enter %s %s "$@"
`

// scripts writes one for each program of dir, and enter beside them.
func (r *root) scripts(system, dir string) error {
	programs, err := os.ReadDir(filepath.Join(system, dir))
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.enter(), fmt.Appendf(nil, enter, quote(system), quote(os.TempDir())), 0o755); err != nil { //nolint:gosec // a program
		return err
	}
	for _, p := range programs {
		script := fmt.Sprintf("#!/bin/sh\nexec %s 0:0 %s \"$@\"\n", quote(r.enter()), filepath.Join(dir, p.Name()))
		if err := os.WriteFile(filepath.Join(r.bin, p.Name()), []byte(script), 0o755); err != nil { //nolint:gosec // a program
			return err
		}
	}
	r.program = dir
	return nil
}

func (r *root) enter() string { return filepath.Join(r.dir, "enter") }

// command runs a program as the account of the server.
func (r *root) command(program string, args []string) process.Command {
	return process.Command{Path: r.enter(), Args: append([]string{r.account, filepath.Join(r.program, program)}, args...)}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// chosenMajor is the major version that the environment asks for, 0 where it asks for none.
func chosenMajor(t testing.TB) int {
	t.Helper()
	text := os.Getenv(MajorVariable)
	if text == "" {
		return 0
	}
	major, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%q: expected a major version such as 17", MajorVariable, text)
	}
	return major
}

// Image reports whether the engine has an image of that major version, for tests that may take minutes only in CI.
func Image(ctx context.Context, major int) bool {
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return false
	}
	defer engine.Close()
	for _, ref := range []string{fmt.Sprintf("postgres:%d", major), fmt.Sprintf("promote-demo/postgres:%d", major)} {
		if _, err := engine.ImageInspect(ctx, ref); err == nil {
			return true
		}
	}
	return false
}

// leftovers are the directories of that prefix whose process is no more.
func leftovers(prefix string) []string {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	var dead []string
	for _, dir := range dirs {
		pid, err := strconv.Atoi(strings.SplitN(strings.TrimPrefix(filepath.Base(dir), prefix), "-", 2)[0])
		if err == nil && syscall.Kill(pid, 0) != nil {
			dead = append(dead, dir)
		}
	}
	return dead
}
