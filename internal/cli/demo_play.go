package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/report"
	"github.com/org/promote-action/internal/text"
)

// demoRun is one demo.
type demoRun struct {
	app     *app
	o       demoOptions
	started time.Time

	stack  *compose.Engine
	engine *client.Client
	trace  *demo.Trace
	use    *demo.Use
	before map[string]bool // images that were there

	dir       string // of the account; the sample is in it or in a folder of it
	madeDir   bool
	shop      demo.Shop
	abandoned bool
	account   demoAccount
}

func openEngine(ctx context.Context) (*compose.Engine, error) {
	e, err := compose.Open(ctx, engine.Endpoint{})
	if err != nil {
		return nil, &driver.Error{Message: "the demo needs a Docker engine", Err: err}
	}
	return e, nil
}

// play is the whole demo in its order. The error is the reason why it did not show what it should.
func (r *demoRun) play(ctx context.Context) error {
	for _, act := range []func(context.Context) error{
		r.setUp,        // from here on there is something to remove
		r.images,       // no registry is needed
		r.environments, // development with release 2, staging with release 1 and data
		r.plan,         // what would happen, before anything does
		r.promote,      // a release that works
		r.breakIt,      // development gets one that does not
		r.promoteBroken,
	} {
		if err := act(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// setUp makes the folder, marks the engine, and cuts off the caller's own settings: his backups are not the demo's.
func (r *demoRun) setUp(ctx context.Context) error {
	var err error
	if r.dir = r.o.dir; r.dir == "" {
		r.dir, err = os.MkdirTemp("", "promote-demo-")
		r.madeDir = true
	} else {
		if r.dir, err = filepath.Abs(r.dir); err != nil {
			return err
		}
		_, missing := os.Stat(r.dir)
		r.madeDir = errors.Is(missing, os.ErrNotExist)
		err = os.MkdirAll(r.dir, 0o755)
	}
	if err != nil {
		return err
	}
	backups := filepath.Join(r.dir, "backups")
	if err := os.Mkdir(backups, 0o700); err != nil {
		return err
	}
	if r.app.logDir == "" {
		r.app.logDir = r.dir
	}
	var environ []string
	for _, kv := range r.app.process.Environ {
		key, _, _ := strings.Cut(kv, "=")
		own := key == "BACKUP_DIR" || key == "PROMOTION_LOG"
		for _, prefix := range []string{"SHOP_", "COMPOSE_", "POSTGRES_", "PG"} {
			own = own || strings.HasPrefix(key, prefix)
		}
		if !own {
			environ = append(environ, kv)
		}
	}
	r.app.process.Environ = append(environ, "BACKUP_DIR="+backups)
	if r.use, err = demo.UseImages(ctx); err != nil {
		return err
	}
	if r.before, err = demo.Images(ctx, r.engine); err != nil {
		return err
	}
	mine := ""
	if r.o.dir == "" {
		mine = r.dir
	}
	r.trace, err = demo.Leave(ctx, r.engine, mine)
	return err
}

// view shows what is done outside of a promotion.
func (r *demoRun) view() (driver.View, func(), error) {
	v, err := r.app.view(nil, "", nil)
	return v, r.app.close, err
}

// act shows one part of the demo: a headline, what is waited for, and how long it took.
func (r *demoRun) act(headline string, took *float64, do func(v driver.View, wait demo.Log) error) error {
	r.headline(headline)
	began := time.Now()
	v, end, err := r.view()
	if err != nil {
		return err
	}
	defer end()
	var mu sync.Mutex
	done := func() {}
	wait := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		done()
		done = v.Wait(fmt.Sprintf(format, args...))
	}
	err = do(v, wait)
	mu.Lock()
	defer mu.Unlock()
	done()
	*took = seconds(time.Since(began))
	return err
}

func (r *demoRun) headline(words string) {
	style := r.app.kindErr().Style
	fmt.Fprintf(r.app.process.Stderr, "\n%s\n", style.Line(text.S(text.Accent, "▸ "), text.S(text.Strong, words)))
}

func seconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Millisecond)) / float64(time.Second)
}

// broken is the broken release.
func (r *demoRun) broken() demo.Release { return demo.Broken(fault.Fault(r.o.fault)) }

func (r *demoRun) images(ctx context.Context) error {
	return r.act("build the sample system", &r.account.Took.Images, func(v driver.View, wait demo.Log) error {
		postgres, err := demo.EnsurePostgres(ctx, r.engine, 15, wait)
		if err != nil {
			return err
		}
		releases := []demo.Release{{Number: 1}, {Number: 2}, r.broken()}
		if err := demo.Build(ctx, r.engine, wait, releases...); err != nil {
			return err
		}
		dir := r.dir
		if r.o.dir == "" {
			dir = filepath.Join(r.dir, "shop")
		}
		r.shop, err = demo.Write(dir, demo.Options{Development: r.trace.Development(), Staging: r.trace.Staging(), Postgres: postgres})
		if err != nil {
			return err
		}
		r.app.configPath = r.shop.Config
		v.Note("info", fmt.Sprintf("images of release 1, 2 and %s, and %s; files in %s", r.broken().Tag(), postgres, r.shop.Dir))
		return nil
	})
}

func (r *demoRun) environments(ctx context.Context) error {
	headline := "start development with release 2, and staging with release 1 and data"
	return r.act(headline, &r.account.Took.Environments, func(v driver.View, _ demo.Log) error {
		stack := demo.Stack{Engine: r.stack}
		start := func(env demo.Environment, release demo.Release) error {
			began := time.Now()
			done := v.Wait(fmt.Sprintf("%s: PostgreSQL, migration and all services of release %s", env.Name, release.Tag()))
			err := env.Up(ctx, stack, release, func(string, ...any) {})
			done()
			if err == nil {
				v.Note("info", fmt.Sprintf("%s runs release %s as project %s (%s)", env.Name, release.Tag(), env.Project, text.Took(time.Since(began))))
			}
			return err
		}
		var wg sync.WaitGroup
		var devErr, stagingErr, agentErr error
		wg.Go(func() { agentErr = r.loadAgent(ctx) }) // so that the plan need not wait for it
		wg.Go(func() { devErr = start(r.shop.Development, demo.Release{Number: 2}) })
		wg.Go(func() {
			if stagingErr = start(r.shop.Staging, demo.Release{Number: 1}); stagingErr != nil {
				return
			}
			began := time.Now()
			done := v.Wait(fmt.Sprintf("staging: %s of data", r.o.size))
			stagingErr = r.shop.Staging.Seed(ctx, r.engine, r.o.bytes, func(string, ...any) {})
			done()
			if stagingErr == nil {
				v.Note("info", fmt.Sprintf("staging holds %s of data (%s)", r.o.size, text.Took(time.Since(began))))
			}
		})
		wg.Wait()
		return errors.Join(devErr, stagingErr, agentErr)
	})
}

func (r *demoRun) loadAgent(ctx context.Context) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = agent.Load(ctx, r.stack, exe, Version())
	return err
}

func (r *demoRun) plan(ctx context.Context) error {
	r.headline("promote plan: what would happen")
	began := time.Now()
	d, err := r.app.driver("")
	if err != nil {
		return err
	}
	defer r.app.close()
	p, problems, err := d.Plan(ctx, "development", "staging")
	if err != nil {
		return err
	}
	r.app.close()
	r.account.Plan = &p
	r.account.Took.Plan = seconds(time.Since(began))
	r.show(report.Plan(p))
	if len(problems) > 0 {
		return fmt.Errorf("the plan cannot be carried out: %s", problems[0].Message)
	}
	return nil
}

// show prints a part of the account while the demo goes on; the one document of JSON comes at the end.
func (r *demoRun) show(v report.View) {
	kind := r.app.kind()
	out := r.app.process.Stdout
	if r.app.format == string(report.JSON) || r.app.output != "" {
		kind, out = r.app.kindErr(), r.app.process.Stderr
	}
	data, err := report.Render(report.Text, v, report.Options{Style: kind.Style, Width: kind.Width(), Now: time.Now()})
	if err == nil {
		_, err = fmt.Fprint(out, r.app.secrets.String(string(data)))
	}
	if err != nil {
		fmt.Fprintln(r.app.process.Stderr, "report:", err)
	}
}

func (r *demoRun) promote(ctx context.Context) error {
	r.headline("promote run: release 2 from development to staging")
	res, err := r.run(ctx, &r.account.Took.Promotion)
	r.account.Promotion = res
	switch {
	case err != nil:
		return err
	case res.Outcome != promotion.Done:
		r.show(report.Result(*res, nil))
		return fmt.Errorf("release 2 was not promoted: %s", res.Outcome)
	}
	r.account.Before, err = r.shop.Staging.Look(ctx, r.engine)
	return err
}

func (r *demoRun) breakIt(ctx context.Context) error {
	headline := fmt.Sprintf("start a broken release in development: %s", r.o.fault)
	return r.act(headline, &r.account.Took.Broken, func(v driver.View, wait demo.Log) error {
		err := r.shop.Development.Up(ctx, demo.Stack{Engine: r.stack}, r.broken(), wait)
		if err == nil {
			v.Note("info", "all of it is healthy here: it breaks only in staging")
		}
		return err
	})
}

func (r *demoRun) promoteBroken(ctx context.Context) error {
	r.headline(fmt.Sprintf("promote run: release %s from development to staging", r.broken().Tag()))
	res, err := r.run(ctx, &r.account.Took.Rollback)
	r.account.Rollback = res
	if err != nil {
		return err
	}
	r.show(report.Result(*res, nil))
	if res.Outcome != promotion.RolledBack {
		return fmt.Errorf("release %s was to be rolled back, and the outcome is: %s", r.broken().Tag(), res.Outcome)
	}
	if res.Proof == nil || !res.Proof.Holds() {
		return errors.New("the rollback is not proved")
	}
	if r.account.After, err = r.shop.Staging.Look(ctx, r.engine); err != nil {
		return err
	}
	if diff := r.account.After.Differences(r.account.Before); len(diff) > 0 {
		return fmt.Errorf("staging is not what it was: %s", strings.Join(diff, "; "))
	}
	r.account.Unchanged = true
	return nil
}

// run promotes as promote run does. When ctx ends it does not wait for the rollback: all of it is going to be removed.
func (r *demoRun) run(ctx context.Context, took *float64) (*promotion.Result, error) {
	began := time.Now()
	d, err := r.app.driver("promotion", promotion.Forward...)
	if err != nil {
		return nil, err
	}
	defer r.app.close()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-ctx.Done():
			kill, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_ = r.stack.RemoveContainer(kill, agent.Name(r.trace.Staging())) // what is left goes with the rest
		case <-over:
		}
	}()
	res, err := d.Promote(ctx, driver.RunOptions{From: "development", To: "staging", Phases: promotion.Forward})
	if err != nil {
		return nil, err
	}
	res.LogPath = r.app.logPath
	r.app.writeReport(&res)
	*took = seconds(time.Since(began))
	return &res, nil
}
