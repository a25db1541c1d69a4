// Package git reads what a promotion needs to know of the repository it is started from. It runs the git program,
// which knows every repository format, and changes nothing.
package git

import (
	"context"
	"errors"
	"os/exec"
	"strings"

	"github.com/org/promote-action/internal/process"
)

// ErrNone means that there is no repository, or no git program to read it with.
var ErrNone = errors.New("not a git repository")

// State is the repository as read at one moment.
type State struct {
	Root      string
	Commit    string   // full hash of HEAD
	Branch    string   // empty when HEAD is detached
	Subject   string   // of HEAD
	Author    string   // of HEAD
	Changed   []string // tracked files that differ from HEAD
	Untracked []string // files git does not know and does not ignore
	Remote    string   // name of the remote that was asked; empty without one
	Pushed    Presence // whether a remote branch holds HEAD, as far as the local refs say
}

// Presence is a fact that may be unknown.
type Presence string

// The three answers.
const (
	Present Presence = "present"
	Absent  Presence = "absent"
	Unknown Presence = "unknown"
)

// Read reads the repository that holds dir.
func Read(ctx context.Context, dir string) (State, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return State{}, errors.Join(ErrNone, err)
	}
	r := repository{dir: dir}
	root, err := r.line(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		if strings.Contains(err.Error(), "not a git repository") {
			return State{}, ErrNone
		}
		return State{}, err
	}
	s := State{Root: root, Pushed: Unknown}
	if s.Commit, err = r.line(ctx, "rev-parse", "--verify", "HEAD"); err != nil {
		return s, errors.New("the repository has no commit yet")
	}
	s.Branch, _ = r.line(ctx, "symbolic-ref", "--quiet", "--short", "HEAD") // fails when detached
	if last, err := r.line(ctx, "log", "-1", "--format=%an%x00%s"); err == nil {
		s.Author, s.Subject, _ = strings.Cut(last, "\x00")
	}
	status, err := r.output(ctx, "status", "--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames")
	if err != nil {
		return s, err
	}
	for entry := range strings.SplitSeq(status, "\x00") {
		if len(entry) < 4 {
			continue
		}
		if strings.HasPrefix(entry, "??") {
			s.Untracked = append(s.Untracked, entry[3:])
		} else {
			s.Changed = append(s.Changed, entry[3:])
		}
	}
	if remotes, err := r.line(ctx, "remote"); err == nil && remotes != "" {
		s.Remote, _, _ = strings.Cut(remotes, "\n")
		branches, err := r.line(ctx, "branch", "--remotes", "--contains", s.Commit, "--format=%(refname:short)")
		switch {
		case err != nil:
		case branches == "":
			s.Pushed = Absent
		default:
			s.Pushed = Present
		}
	}
	return s, nil
}

type repository struct{ dir string }

// output runs git with the one setting that lets it read a checkout whose owner is somebody else, as inside a container
// action; nothing that the repository configures is executed by the commands used here.
func (r repository) output(ctx context.Context, args ...string) (string, error) {
	out, err := process.Output(ctx, process.Command{
		Path: "git",
		Args: append([]string{"-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"}, args...),
		Dir:  r.dir,
		Env:  []string{"GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C"},
	})
	return string(out), err
}

func (r repository) line(ctx context.Context, args ...string) (string, error) {
	out, err := r.output(ctx, args...)
	return strings.TrimRight(out, "\n"), err
}
