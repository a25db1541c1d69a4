package driver

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/git"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/setting"
	"github.com/org/promote-action/internal/snapshot"
)

// CompareOptions are what `promote compare` was asked for.
type CompareOptions struct {
	From, To    string // environments, or files that Save wrote
	SchemaOnly  bool   // nothing but the schemas
	Performance bool   // sample the endpoints of both sides
	Rehearse    bool   // try the migration on a copy
	Key         []byte // of the hashes, so that saved snapshots can be compared; nil: one for this run alone
}

// rowsBudget is how long the rows of one database may be read for.
const rowsBudget = 20 * time.Second

// Compare reads both environments at one moment and says how ready a promotion from one to the other is. A side that cannot
// be read is part of the result, not an error. The second result is the source as it was read, to be saved.
func (d *Driver) Compare(ctx context.Context, o CompareOptions) (compare.Comparison, snapshot.Saved, error) {
	c, err := d.comparing(o)
	if err != nil {
		return compare.Comparison{}, snapshot.Saved{}, err
	}
	defer c.close()
	for _, s := range []*side{c.from, c.to} {
		if err := c.open(ctx, s); err != nil {
			return compare.Comparison{}, snapshot.Saved{}, err
		}
	}
	c.start(ctx)
	c.read(ctx)
	c.note()
	if err := c.ask(ctx); err != nil {
		return compare.Comparison{}, snapshot.Saved{}, err
	}
	if err := ctx.Err(); err != nil {
		return compare.Comparison{}, snapshot.Saved{}, &Error{Outcome: promotion.Canceled, Message: "cancelled: nothing was compared"}
	}
	if o.SchemaOnly {
		return compare.Drift(c.in), snapshot.Saved{}, nil
	}
	return compare.Compare(c.in), c.from.saved(d.Version, c.in.Tests), nil
}

// Save reads one environment for a comparison elsewhere.
func (d *Driver) Save(ctx context.Context, name string, o CompareOptions) (snapshot.Saved, error) {
	if _, err := d.Config.Environment(name); err != nil {
		return snapshot.Saved{}, err
	}
	o.From, o.To = name, ""
	c, err := d.comparing(o)
	if err != nil {
		return snapshot.Saved{}, err
	}
	defer c.close()
	if err := c.open(ctx, c.from); err != nil {
		return snapshot.Saved{}, err
	}
	c.start(ctx)
	c.read(ctx)
	c.test(ctx)
	if c.from.snap == nil {
		return snapshot.Saved{}, &Error{Outcome: promotion.Refused, Message: "environment " + name, Err: errors.New(c.from.why), Advice: "promote status " + name}
	}
	return c.from.saved(d.Version, c.in.Tests), nil
}

// side is one of the two things that are compared.
type side struct {
	name  string
	env   *Environment // nil: a file, or it cannot be reached
	agent *agent.Remote
	file  *snapshot.Saved
	snap  *snapshot.Snapshot
	why   string // there is no snapshot
}

// give notes why the side cannot be read, with what to do.
func (s *side) give(err error) {
	s.why = err.Error()
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		s.why += " (" + hinted.Hint() + ")"
	}
}

func (s *side) saved(tool string, tests []promotion.Check) snapshot.Saved {
	switch {
	case s.file != nil:
		return *s.file
	case s.snap == nil:
		return snapshot.Saved{}
	}
	return snapshot.Saved{Tool: tool, Snapshot: *s.snap, Tests: tests}
}

// comparing is one comparison under way.
type comparing struct {
	d        *Driver
	o        CompareOptions
	from, to *side
	key      []byte
	in       compare.Input
	git      git.State
	gitErr   error
}

// comparing finds out what is compared: environments by their names, else files.
func (d *Driver) comparing(o CompareOptions) (*comparing, error) {
	c := &comparing{d: d, o: o, key: o.Key}
	if len(c.key) == 0 {
		c.key = make([]byte, setting.KeySize)
		_, _ = rand.Read(c.key)
	}
	if o.From == o.To {
		return nil, &config.SameEnvironmentError{Name: o.From}
	}
	var err error
	if c.from, err = d.side(o.From); err != nil {
		return nil, err
	}
	if c.to, err = d.side(o.To); err != nil {
		return nil, err
	}
	c.in = d.compareInput()
	c.in.Now = d.now().UTC()
	c.in.Names = [2]string{c.from.name, c.to.name}
	c.in.Saved = [2]bool{c.from.file != nil, c.to.file != nil}
	return c, nil
}

// side is an environment of the configuration, or a saved snapshot.
func (d *Driver) side(name string) (*side, error) {
	if name == "" {
		return &side{}, nil
	}
	_, unknown := d.Config.Environment(name)
	if unknown == nil {
		return &side{name: name}, nil
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) && !strings.ContainsAny(name, "/.") {
		return nil, unknown
	}
	if err != nil {
		return nil, &SnapshotError{Path: name, Err: err}
	}
	saved, err := snapshot.Decode(data)
	if err != nil {
		return nil, &SnapshotError{Path: name, Err: err}
	}
	return &side{name: cmp.Or(saved.Snapshot.Environment, name), file: &saved, snap: &saved.Snapshot}, nil
}

// SnapshotError is a file that is no snapshot that can be compared.
type SnapshotError struct {
	Path string
	Err  error
}

func (e *SnapshotError) Error() string { return e.Path + ": " + e.Err.Error() }

func (e *SnapshotError) Unwrap() error { return e.Err }

// Hint is what would be accepted.
func (e *SnapshotError) Hint() string {
	var newer *snapshot.NewerError
	switch {
	case errors.As(e.Err, &newer):
		return newer.Hint()
	case errors.Is(e.Err, snapshot.ErrDamaged):
		return "save it again: promote compare ENVIRONMENT --save FILE"
	default:
		return "name an environment of the configuration, or a file that promote compare ENVIRONMENT --save FILE wrote"
	}
}

// open reaches an environment. One that cannot be reached is down, which is part of the comparison; a configuration that does
// not fit is an error.
func (c *comparing) open(ctx context.Context, s *side) error {
	if s.file != nil || s.name == "" {
		return nil
	}
	env, err := c.d.Open(ctx, s.name)
	if err != nil {
		if ctx.Err() != nil {
			return &Error{Outcome: promotion.Canceled, Message: "cancelled: nothing was compared"}
		}
		s.give(err)
		return nil
	}
	s.env = env
	weighed(env, c.in.Services)
	var known []string
	for _, svc := range env.Model.Services() {
		known = append(known, svc.Name)
	}
	return c.d.Config.CheckServices(env.Name, append(known, env.Model.Disabled()...))
}

// start starts an agent that reads on each side.
func (c *comparing) start(ctx context.Context) {
	sides := []*side{c.from, c.to}
	for _, s := range sides { // one after the other: on one engine it is one image
		if s.env != nil {
			if err := c.d.Prepare(ctx, s.env); err != nil {
				s.give(err)
				s.env = nil
			}
		}
	}
	defer c.d.View.Wait("start the agents")()
	var wg sync.WaitGroup
	for _, s := range sides {
		if s.env == nil {
			continue
		}
		wg.Go(func() {
			var err error
			if s.agent, err = c.d.Reader(ctx, s.env); err != nil {
				s.give(err)
			}
		})
	}
	wg.Wait()
}

func (c *comparing) close() {
	var wg sync.WaitGroup
	for _, s := range []*side{c.from, c.to} {
		if s.agent != nil {
			wg.Go(s.agent.Close)
		}
	}
	wg.Wait()
}

// read takes both snapshots at one moment.
func (c *comparing) read(ctx context.Context) {
	words := "read " + c.from.name
	if c.to.name != "" {
		words += " and " + c.to.name
	}
	defer c.d.View.Wait(words)()
	var wg sync.WaitGroup
	for _, s := range []*side{c.from, c.to} {
		if s.agent == nil {
			continue
		}
		wg.Go(func() {
			var snap snapshot.Snapshot
			if err := s.agent.Call(ctx, "details", c.request(s.env), &snap, nil); err != nil {
				s.give(err)
				return
			}
			s.snap = &snap
		})
	}
	wg.Wait()
	c.in.From, c.in.To, c.in.FromWhy, c.in.ToWhy = c.from.snap, c.to.snap, c.from.why, c.to.why
}

// note says which side could not be read, as soon as it is known.
func (c *comparing) note() {
	for _, s := range []*side{c.from, c.to} {
		if s.snap == nil && s.why != "" {
			c.d.View.Note("warning", s.name+" could not be read: "+s.why)
		}
	}
	keyed := func(s *side) string {
		if s.snap == nil || s.snap.Details == nil {
			return ""
		}
		return s.snap.Details.Keyed
	}
	if a, b := keyed(c.from), keyed(c.to); a != b && a != "" && b != "" {
		c.d.View.Note("warning", "the two snapshots have hashes of different keys, so that secrets and files cannot be compared: give both the same PROMOTE_COMPARE_KEY")
	}
}

func (c *comparing) request(env *Environment) agent.DetailsRequest {
	req := agent.DetailsRequest{Spec: env.Spec, Key: c.key, Secret: c.in.Rules.Secret, SchemaOnly: c.o.SchemaOnly}
	if !c.o.SchemaOnly {
		req.Reference, req.Flags, req.Rows = c.in.Rules.Reference, c.d.flagSources(), rowsBudget
	}
	return req
}

// ask finds out all else: what the target's rows say to the differences, how the commits stand to each other, the tests of the
// source, and what would keep a promotion from starting. What cannot be found out is missing in the comparison.
func (c *comparing) ask(ctx context.Context) error {
	c.probe(ctx)
	if c.o.SchemaOnly {
		c.in.PerformanceOff = "only the schemas were asked for"
		return nil
	}
	c.lineages(ctx)
	c.plannedVariables()
	c.test(ctx)
	c.preflight(ctx)
	c.sample(ctx)
	return c.rehearse(ctx)
}

// probe asks the target's rows what stands against each difference.
func (c *comparing) probe(ctx context.Context) {
	if c.in.From == nil || c.in.To == nil {
		return
	}
	probes := compare.Probes(c.in.From, c.in.To, c.in.Rules)
	if len(probes) == 0 {
		return
	}
	why := "the target is a file: its rows cannot be asked"
	if c.to.agent != nil {
		done := c.d.View.Wait(fmt.Sprintf("ask the rows of %s", c.to.name))
		err := c.to.agent.Call(ctx, "probes", agent.ProbeRequest{Spec: c.to.env.Spec, Probes: probes}, &c.in.Probes, nil)
		done()
		if err == nil {
			return
		}
		why = err.Error()
	}
	c.in.Probes = nil
	for _, p := range probes {
		c.in.Probes = append(c.in.Probes, compare.ProbeResult{ID: p.ID, Error: why})
	}
}

// test runs the checks of the source.
func (c *comparing) test(ctx context.Context) {
	s := c.from
	switch {
	case s.file != nil:
		c.in.Tests, c.in.TestedAt = s.file.Tests, s.file.Snapshot.TakenAt
		return
	case s.agent == nil || s.snap == nil || c.o.SchemaOnly:
		return
	}
	checks, err := c.d.test(ctx, s.env, s.agent, nil)
	if err != nil {
		c.d.View.Note("warning", "the checks of "+s.name+" could not be run: "+err.Error())
		return
	}
	c.in.Tests, c.in.TestedAt = checks, c.d.now().UTC()
}

// preflight is what can be known beforehand of a promotion's own conditions, without touching anything.
func (c *comparing) preflight(ctx context.Context) {
	if c.to.agent == nil || c.to.snap == nil || c.from.snap == nil {
		return
	}
	defer c.d.View.Wait("see whether a promotion could start")()
	if c.from.agent == nil {
		c.outlook(ctx, []promotion.Check{c.lock(ctx)}, plan.Plan{Estimate: plan.Estimate{Disk: c.copies()}})
		return
	}
	s := &sides{from: c.from.env, to: c.to.env, fromAgent: c.from.agent, toAgent: c.to.agent, fromSnap: *c.from.snap, toSnap: *c.to.snap, git: c.git, gitErr: c.gitErr}
	p, problems, err := c.d.plan(ctx, s, promotion.NewID(c.d.now(), cmp.Or(c.d.Run, "compare")))
	if err != nil {
		c.fail("plan", err)
		return
	}
	c.outlook(ctx, append(c.d.known(ctx, s, p, problems), c.lock(ctx)), p)
}

// outlook adds what the target itself says of a plan.
func (c *comparing) outlook(ctx context.Context, known []promotion.Check, p plan.Plan) {
	c.in.Preflight = known
	var target []promotion.Check
	if err := c.to.agent.Call(ctx, "outlook", agent.PreflightRequest{Spec: c.to.env.Spec, Plan: p}, &target, nil); err != nil {
		c.fail("target", err)
		return
	}
	c.in.Preflight = append(c.in.Preflight, target...)
}

// copies is the room that a copy and a dump of the target's databases take at most, where there is no plan to say it.
func (c *comparing) copies() int64 {
	var total int64
	for _, server := range c.to.snap.Servers {
		for _, db := range server.Databases {
			total += 2 * db.Size
		}
	}
	return total
}

// fail makes an error of a check that could not be made.
func (c *comparing) fail(name string, err error) {
	c.in.Preflight = append(c.in.Preflight, promotion.Check{Category: "target", Name: name, Environment: c.to.name, Status: promotion.Error, Critical: true, Message: err.Error()})
}

// lock says whether somebody's promotion holds the target.
func (c *comparing) lock(ctx context.Context) promotion.Check {
	check := promotion.Check{Category: "target", Name: "lock", Environment: c.to.name, Status: promotion.Pass, Message: "no promotion holds it"}
	now, err := c.d.current(ctx, c.to.env)
	switch {
	case err != nil:
		check.Status, check.Message = promotion.Error, err.Error()
	case now != nil:
		check.Status, check.Critical = promotion.Fail, true
		check.Message = fmt.Sprintf("promotion %s of %s holds it", now.ID, cmp.Or(now.By, "somebody"))
		check.Hint = "wait for it: promote status " + c.to.name
	}
	return check
}

// lineages asks git how the commits of both sides stand to each other.
func (c *comparing) lineages(ctx context.Context) {
	c.git, c.gitErr = c.d.repository(ctx)
	if c.in.From == nil || c.in.To == nil {
		return
	}
	asked := map[[2]string]bool{}
	for _, svc := range c.in.From.Services {
		other, _ := c.in.To.Service(svc.Name)
		pair := [2]string{revisionOf(svc), revisionOf(other)}
		if pair[0] == "" || pair[1] == "" || pair[0] == pair[1] || asked[pair] {
			continue
		}
		asked[pair] = true
		var found git.Lineage
		err := c.gitErr
		if err == nil {
			found, err = git.Between(ctx, c.d.Config.Root, pair[0], pair[1])
		}
		if err != nil {
			found.Why = err.Error()
		}
		if found.Why != "" && c.gitErr == nil {
			c.d.View.Note("info", fmt.Sprintf("git cannot tell how %s and %s stand to each other: %s", short(pair[0]), short(pair[1]), found.Why))
		}
		c.in.Lineages = append(c.in.Lineages, lineage(pair, found))
	}
}

func revisionOf(svc snapshot.Service) string {
	for _, c := range svc.Containers {
		if c.Revision != "" {
			return c.Revision
		}
	}
	return ""
}

func lineage(pair [2]string, found git.Lineage) compare.Lineage {
	l := compare.Lineage{From: pair[0], To: pair[1], Direction: compare.UnknownDirection}
	switch {
	case !found.Known:
	case found.Ahead > 0 && found.Behind > 0:
		l.Direction = compare.Diverged
	case found.Ahead > 0:
		l.Direction = compare.Ahead
	case found.Behind > 0:
		l.Direction = compare.Behind
	default:
		l.Direction = compare.Same
	}
	for _, commit := range found.Log {
		l.Commits = append(l.Commits, compare.Commit{Hash: commit.Hash, Subject: commit.Subject, Author: commit.Author, At: commit.At})
	}
	return l
}

// plannedVariables are what the target's Compose files set: that is what the new release will run with.
func (c *comparing) plannedVariables() {
	if c.to.env == nil {
		return
	}
	reader, err := setting.NewReader(c.key, c.in.Rules.Secret)
	if err != nil {
		return // the agents say so too
	}
	c.in.Planned = map[string][]snapshot.Variable{}
	for _, svc := range c.to.env.Model.Services() {
		var all []snapshot.Variable
		for name, value := range svc.Env {
			all = append(all, reader.Of(svc.Name).Read(name, value)...)
		}
		snapshot.SortVariables(all)
		c.in.Planned[svc.Name] = all
	}
}
