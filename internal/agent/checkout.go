package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/git"
	"github.com/org/promote-action/internal/process"
)

// checkout makes a git checkout on the engine's host a step.Checkout. The host's own git does the work, run in the host's
// file system as the owner of the checkout: it knows the repository's format, filters and configuration.
type checkout struct{ env *environment }

// CheckoutState is what a helper reads of a checkout.
type CheckoutState struct {
	Commit string   `json:"commit"`
	Branch string   `json:"branch"`
	Dirty  []string `json:"dirty"`
}

func (c *checkout) run(ctx context.Context, args ...string) (string, error) {
	return c.env.helper(ctx, []engine.Mount{{Type: "bind", Source: "/", Target: "/host", RW: true}}, args...)
}

// Head implements step.Checkout.
func (c *checkout) Head(ctx context.Context, path string) (commit, branch string, dirty []string, err error) {
	out, err := c.run(ctx, "checkout-head", path)
	if err != nil {
		return "", "", nil, err
	}
	var s CheckoutState
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return "", "", nil, err
	}
	return s.Commit, s.Branch, s.Dirty, nil
}

// Move implements step.Checkout.
func (c *checkout) Move(ctx context.Context, path, commit, branch string) error {
	_, err := c.run(ctx, "checkout-move", path, commit, branch)
	return err
}

// enterHost makes the host's file system the process's own, and the owner of the checkout its user.
func enterHost(path string) error {
	info, err := os.Stat(filepath.Join("/host", path))
	if err != nil {
		return fmt.Errorf("%s is not a folder of the engine's host", path)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("no owner is known")
	}
	if err := syscall.Chroot("/host"); err != nil {
		return err
	}
	if err := os.Chdir(path); err != nil {
		return err
	}
	if st.Uid != 0 {
		if err := syscall.Setgroups([]int{int(st.Gid)}); err != nil {
			return err
		}
		if err := syscall.Setgid(int(st.Gid)); err != nil {
			return err
		}
		if err := syscall.Setuid(int(st.Uid)); err != nil {
			return err
		}
	}
	return os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

// CheckoutHead prints the state of a checkout as JSON; it runs in a helper container with the host's files at /host.
func CheckoutHead(ctx context.Context, path string) (string, error) {
	if err := enterHost(path); err != nil {
		return "", err
	}
	s, err := git.Read(ctx, path)
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(CheckoutState{Commit: s.Commit, Branch: s.Branch, Dirty: s.Changed})
	return string(out), err
}

// CheckoutMove moves a checkout to a commit, fetching it where it is not there yet, and back onto a branch where one is named.
func CheckoutMove(ctx context.Context, path, commit, branch string) error {
	if err := enterHost(path); err != nil {
		return err
	}
	run := func(args ...string) error {
		_, err := process.Output(ctx, process.Command{
			Path: "git", Dir: path, Args: append([]string{"-c", "safe.directory=*", "-c", "advice.detachedHead=false"}, args...),
			Env: []string{"GIT_TERMINAL_PROMPT=0", "LC_ALL=C"},
		})
		return err
	}
	if run("cat-file", "-e", commit+"^{commit}") != nil {
		if err := run("fetch", "--quiet", "--all"); err != nil {
			return fmt.Errorf("commit %s is not in the checkout, and fetching failed: %w", short(commit), err)
		}
	}
	if branch == "" {
		return run("checkout", "--quiet", "--detach", commit)
	}
	out, err := process.Output(ctx, process.Command{Path: "git", Dir: path, Args: []string{"-c", "safe.directory=*", "rev-parse", "--verify", "refs/heads/" + branch}, Env: []string{"LC_ALL=C"}})
	if err != nil || strings.TrimSpace(string(out)) != commit {
		return run("checkout", "--quiet", "--detach", commit) // the branch has moved since: the commit counts
	}
	return run("checkout", "--quiet", branch)
}
