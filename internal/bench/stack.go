package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/process"
	"github.com/org/promote-action/internal/promotion"
)

// smallSize is the data of the sample before it is seeded with the size that was asked for.
const smallSize = 20 << 20

// stackFigures takes the figures of whole promotions of the sample system, five services and a database.
func stackFigures(ctx context.Context, h *host, o options, s *sheet) error {
	st := stacks{host: h, sheet: s, options: o}
	for _, take := range []func(context.Context) error{
		st.start,    // development with release 2, staging with release 1 and little data
		st.small,    // what a promotion takes where the database is no matter
		st.big,      // and with the data that was asked for
		st.baseline, // the same by the script
	} {
		if err := take(ctx); err != nil {
			return err
		}
	}
	st.memory()
	return nil
}

type stacks struct {
	*host
	*sheet
	options
	shop          demo.Shop
	ours          promoted // with the big database
	driver, agent int64    // most memory of each in any promotion, bytes
}

// promoted is one promotion by the program.
type promoted struct {
	took   time.Duration
	result promotion.Result
}

func (s *stacks) start(ctx context.Context) error {
	image, err := demo.EnsurePostgres(ctx, s.api, 15, s.say)
	if err != nil {
		return err
	}
	if err := demo.Build(ctx, s.api, s.say, demo.Release{Number: 1}, demo.Release{Number: 2}); err != nil {
		return err
	}
	s.shop, err = demo.Write(filepath.Join(s.dir, "shop"), demo.Options{
		Development: projectPrefix + "-dev", Staging: projectPrefix + "-staging", Postgres: image,
	})
	if err != nil {
		return err
	}
	run := demo.Stack{Engine: s.stack}
	if err := s.shop.Development.Up(ctx, run, demo.Release{Number: 2}, s.say); err != nil {
		return err
	}
	if err := s.shop.Staging.Up(ctx, run, demo.Release{Number: 1}, s.say); err != nil {
		return err
	}
	return s.shop.Staging.Seed(ctx, s.api, smallSize, s.say)
}

// promote runs the program from one environment to the other.
func (s *stacks) promote(ctx context.Context) (promoted, error) {
	return s.program(ctx, promotion.Done, "run", "--from", "development", "--to", "staging", "--release-hold")
}

// back undoes the promotion, so that the next one has the same to do.
func (s *stacks) back(ctx context.Context) (promoted, error) {
	return s.program(ctx, promotion.Restored, "rollback", "--to", "staging", "--discard-writes")
}

func (s *stacks) program(ctx context.Context, want promotion.Outcome, args ...string) (promoted, error) {
	s.say("promote %s", strings.Join(args, " "))
	watch := watchMemory(s.options.promote, s.shop.Staging.Project)
	started := time.Now()
	out, err := s.command(ctx, s.options.promote, append(args, "--config", s.shop.Config, "--log-dir", s.dir, "--format", "json"), "BACKUP_DIR="+filepath.Join(s.dir, "backups"))
	p := promoted{took: time.Since(started)}
	driver, agent := watch()
	s.driver, s.agent = max(s.driver, driver), max(s.agent, agent)
	if err != nil {
		return p, fmt.Errorf("promote %s: %w", args[0], err)
	}
	if err := json.Unmarshal(out, &p.result); err != nil {
		return p, err
	}
	if p.result.Outcome != want {
		return p, fmt.Errorf("promote %s: the outcome is %s: %s", args[0], p.result.Outcome, p.result.Reason)
	}
	s.say("took %s, downtime %s, memory %d MB and %d MB", p.took.Round(100*time.Millisecond), p.result.Downtime, driver>>20, agent>>20)
	return p, nil
}

// downUp is what people do by hand: all of the stack goes down and comes up again, here with the images that run.
func (s *stacks) downUp(ctx context.Context) (time.Duration, error) {
	s.say("docker compose down, docker compose up --wait")
	env := s.shop.Staging
	started := time.Now()
	if err := s.stack.Down(ctx, env.Project, false, nil); err != nil {
		return 0, err
	}
	model, err := compose.Load(ctx, compose.Source{Project: env.Project, Directory: env.Dir, Files: env.Files, EnvFiles: []string{env.EnvFile}})
	if err != nil {
		return 0, err
	}
	err = s.stack.Up(ctx, model, compose.Deployment{}, nil)
	return time.Since(started), err
}

// small compares the downtime of a promotion with that of the stack made anew, without a big database.
func (s *stacks) small(ctx context.Context) error {
	var ours, anchors []float64
	for range 3 {
		p, err := s.promote(ctx)
		if err != nil {
			return err
		}
		ours = append(ours, p.result.Downtime.Time().Seconds())
		if _, err := s.back(ctx); err != nil {
			return err
		}
		a, err := s.downUp(ctx)
		if err != nil {
			return err
		}
		anchors = append(anchors, a.Seconds())
	}
	s.add(figure{name: "downtime, little data / compose down && up --wait", ours: median(ours), anchor: median(anchors), goal: 1})
	s.add(figure{name: "  the aim: half of it", ours: median(ours), anchor: median(anchors), goal: 0.5})
	return nil
}

// big promotes with the data that was asked for.
func (s *stacks) big(ctx context.Context) error {
	err := s.shop.Staging.Seed(ctx, s.api, s.size-smallSize, s.say)
	if err != nil {
		return err
	}
	if s.ours, err = s.promote(ctx); err != nil {
		return err
	}
	for _, ph := range s.ours.result.Phases {
		for _, st := range ph.Steps {
			s.say("%-9s %-40s %8s, estimated %s %s", ph.Phase, st.Name, st.Took, st.Estimate, st.Basis)
		}
	}
	back, err := s.back(ctx)
	if err != nil {
		return err
	}
	down, err := s.downUp(ctx)
	if err != nil {
		return err
	}
	s.add(figure{name: "downtime / compose down && up --wait", ours: s.ours.result.Downtime.Time().Seconds(), anchor: down.Seconds(), goal: 1})
	s.say("preflight said of the downtime: %s", s.ours.result.EstBasis)
	s.add(figure{name: "downtime / what preflight said", ours: s.ours.result.Downtime.Time().Seconds(), anchor: s.ours.result.EstDowntime.Time().Seconds()})
	s.add(figure{name: "whole rollback after the end, with its proof", ours: back.took.Seconds()})
	return nil
}

// baseline does the same promotion by the script.
func (s *stacks) baseline(ctx context.Context) error {
	s.say("%s", s.script)
	env := s.shop.Staging
	started := time.Now()
	out, err := s.command(ctx, "bash", []string{s.script},
		"COMPOSE="+s.self+" compose", "FROM="+s.shop.Development.Project, "TO="+env.Project, "STACK="+env.Dir, "RELEASE=2", "BACKUPS="+filepath.Join(s.dir, "baseline"))
	took := time.Since(started)
	var failed *process.Error
	if errors.As(err, &failed) {
		return fmt.Errorf("the script failed: %w: %s", err, out)
	}
	if err != nil {
		return err
	}
	var down float64
	for line := range strings.Lines(string(out)) {
		s.say("%s", strings.TrimSpace(line))
		_, _ = fmt.Sscanf(line, "downtime %f", &down)
	}
	s.add(figure{name: "whole promotion / the script", ours: s.ours.took.Seconds(), anchor: took.Seconds(), goal: 1. / 3})
	s.add(figure{name: "downtime / the script", ours: s.ours.result.Downtime.Time().Seconds(), anchor: down})
	return nil
}

// memory is judged over all promotions of the run.
func (s *stacks) memory() {
	const most = 150
	s.add(figure{name: "memory of the driver / 150 MB", ours: float64(s.driver) / (1 << 20), anchor: most, goal: 1, unit: megabytes})
	s.add(figure{name: "memory of the agent / 150 MB", ours: float64(s.agent) / (1 << 20), anchor: most, goal: 1, unit: megabytes})
}
