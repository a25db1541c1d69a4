package fault

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// Target is the world as the steps see it.
func (w *World) Target() step.Target {
	return step.Target{
		Project: "shop", Stack: stack{w}, Images: images{w}, Volumes: volumes{w}, Checkout: checkout{w}, Checks: checks{w}, Point: point{w},
		Databases: func(server string) (step.Database, error) {
			if server != "db" {
				return nil, fmt.Errorf("database server %s is not there", server)
			}
			if w.real != nil {
				return w.real.Server(), nil
			}
			return database{w}, nil
		},
	}
}

type images struct{ w *World }

func (i images) Tag(ctx context.Context, id, ref string) error {
	return i.w.op(ctx, "tag "+ref, func() error {
		i.w.Tags[ref] = id
		return nil
	})
}

func (i images) Untag(ctx context.Context, ref string) error {
	return i.w.op(ctx, "untag "+ref, func() error {
		delete(i.w.Tags, ref)
		return nil
	})
}

func (i images) Has(context.Context, string) (bool, error) { return true, nil }

type volumes struct{ w *World }

func digest(files []string) string { return hash(strings.Join(files, "\n")) }

// move replaces the content of a tree in two moments: half of it is there, and all.
func (v volumes) move(ctx context.Context, name string, from []string, to map[string][]string, key string) error {
	if err := v.w.op(ctx, name+": half", func() error {
		to[key] = slices.Clone(from[:len(from)/2])
		return nil
	}); err != nil {
		return err
	}
	return v.w.op(ctx, name, func() error {
		to[key] = slices.Clone(from)
		return nil
	})
}

func (v volumes) Copy(ctx context.Context, name string, _ func(done, total int64)) (string, error) {
	if err := v.move(ctx, "copy volume "+name, v.w.Volumes[name], v.w.copies, name); err != nil {
		return "", err
	}
	if digest(v.w.copies[name]) != digest(v.w.Volumes[name]) {
		return "", fmt.Errorf("the copy differs from the original: something still writes there")
	}
	return digest(v.w.copies[name]), nil
}

func (v volumes) Restore(ctx context.Context, name string, _ func(done, total int64)) error {
	return v.move(ctx, "restore volume "+name, v.w.copies[name], v.w.Volumes, name)
}

func (v volumes) Digest(ctx context.Context, name string) (string, error) {
	var d string
	err := v.w.op(ctx, "digest "+name, func() error {
		d = digest(v.w.Volumes[name])
		return nil
	})
	return d, err
}

type checkout struct{ w *World }

func (c checkout) Head(ctx context.Context, _ string) (string, string, []string, error) {
	return c.w.Commit, c.w.Branch, nil, ctx.Err()
}

func (c checkout) Move(ctx context.Context, _, commit, branch string) error {
	return c.w.op(ctx, "checkout "+commit[:7], func() error {
		c.w.Commit, c.w.Branch = commit, branch
		return nil
	})
}

type checks struct{ w *World }

func (c checks) run(ctx context.Context, release string, wrong bool) ([]promotion.Check, error) {
	var out []promotion.Check
	err := c.w.op(ctx, "checks", func() error {
		for _, service := range []string{"api", "worker", "web"} {
			check := promotion.Check{Category: "health", Name: service + " health", Service: service, Status: promotion.Pass, Critical: true}
			got := c.w.Containers[service]
			if got == nil || !got.Running || got.Sick || got.Config != release || wrong && service == "api" {
				check.Status, check.Message, check.Hint = promotion.Fail, "serves another version", "look at its log"
			}
			out = append(out, check)
		}
		for i := range c.w.Shape.Databases {
			check := promotion.Check{Category: "database", Name: dbName(i), Status: promotion.Pass, Critical: true}
			if c.w.real != nil {
				continue
			}
			if db := c.w.Databases[dbName(i)]; db == nil || !db.Open {
				check.Status, check.Message = promotion.Fail, "takes no connections"
			}
			out = append(out, check)
		}
		return nil
	})
	return out, err
}

func (c checks) Verify(ctx context.Context, _ func(string)) ([]promotion.Check, error) {
	if c.w.Shape.Given {
		return c.run(ctx, "old", c.w.Shape.Broken == ChecksFail)
	}
	return c.run(ctx, "new", c.w.Shape.Broken == ChecksFail)
}

func (c checks) VerifyPrevious(ctx context.Context, _ func(string)) ([]promotion.Check, error) {
	return c.run(ctx, "old", false)
}

type point struct{ w *World }

func (p point) Write(name string, data []byte) error {
	p.w.tick("before write " + name)
	if p.w.full > 0 {
		p.w.full--
		return &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
	}
	p.w.Files[name] = slices.Clone(data)
	p.w.tick("after write " + name)
	return nil
}

func (p point) Read(name string) ([]byte, error) {
	data, ok := p.w.Files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return data, nil
}

func (p point) Seal(ctx context.Context) error {
	return p.w.op(ctx, "seal", func() error {
		p.w.Files["backup/manifest.json"] = []byte("{}")
		return nil
	})
}

func (p point) Discard(ctx context.Context) error {
	return p.w.op(ctx, "discard restore point", func() error {
		clear(p.w.Files)
		return nil
	})
}
