package git

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Lineage is how two commits stand to each other.
type Lineage struct {
	Known  bool     // both commits are in the repository, and so is where they parted
	Ahead  int      // commits that the first has and the second has not
	Behind int      // the other way round
	Log    []Commit // the newest of those that the first is ahead
	Why    string   // it is not known
}

// Commit is one commit.
type Commit struct {
	Hash    string
	Author  string
	Subject string
	At      time.Time
}

// longestLog is the number of commits that are named.
const longestLog = 500

// revision is what may be asked for: a hash and nothing else, since it comes from the label of an image.
var revision = regexp.MustCompile(`^[0-9a-fA-F]{7,64}$`)

// Between compares two commits of the repository that holds dir. A commit that the repository does not have is no error: the
// lineage is then not known.
func Between(ctx context.Context, dir, one, other string) (Lineage, error) {
	r := repository{dir: dir}
	for _, name := range []string{one, other} {
		if !revision.MatchString(name) {
			return Lineage{Why: fmt.Sprintf("%q is no commit", name)}, nil
		}
		if _, err := r.line(ctx, "rev-parse", "--verify", "--quiet", name+"^{commit}"); err != nil {
			if ctx.Err() != nil {
				return Lineage{}, ctx.Err()
			}
			return Lineage{Why: "the repository does not have commit " + name}, nil
		}
	}
	if _, err := r.line(ctx, "merge-base", one, other); err != nil {
		if shallow, _ := r.line(ctx, "rev-parse", "--is-shallow-repository"); shallow == "true" {
			return Lineage{Why: "the clone is shallow: git fetch --unshallow"}, nil
		}
	}
	counts, err := r.line(ctx, "rev-list", "--left-right", "--count", one+"..."+other, "--")
	if err != nil {
		return Lineage{}, err
	}
	left, right, _ := strings.Cut(counts, "\t")
	l := Lineage{Known: true}
	if l.Ahead, err = strconv.Atoi(left); err != nil {
		return Lineage{}, fmt.Errorf("git rev-list counts %q", counts)
	}
	if l.Behind, err = strconv.Atoi(right); err != nil {
		return Lineage{}, fmt.Errorf("git rev-list counts %q", counts)
	}
	if l.Ahead == 0 {
		return l, nil
	}
	log, err := r.output(ctx, "log", "--no-show-signature", "-z", fmt.Sprintf("--max-count=%d", longestLog), "--format=%H%n%an%n%aI%n%s", other+".."+one, "--")
	if err != nil {
		return Lineage{}, err
	}
	for entry := range strings.SplitSeq(strings.TrimSuffix(log, "\x00"), "\x00") {
		parts := strings.SplitN(entry, "\n", 4)
		if len(parts) < 4 {
			continue
		}
		at, _ := time.Parse(time.RFC3339, parts[2])
		l.Log = append(l.Log, Commit{Hash: parts[0], Author: parts[1], At: at, Subject: parts[3]})
	}
	return l, nil
}
