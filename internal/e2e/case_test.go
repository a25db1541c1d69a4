package e2e

import (
	"fmt"
	"math/rand/v2"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
)

// victim is who dies, or which connection.
type victim string

const (
	theDriver  victim = "driver"       // SIGKILL
	theAgent   victim = "agent"        // SIGKILL: the engine starts it again
	agentHeld  victim = "agent-held"   // docker kill: the engine does not
	both       victim = "both"         // the driver, then the agent by docker kill: nobody is left
	theServer  victim = "server"       // SIGKILL of PostgreSQL's first process: its container ends and is started again
	aBackend   victim = "backend"      // SIGKILL of one session's process: the server recovers
	aService   victim = "service"      // SIGKILL of a service's first process
	connection victim = "cut"          // every connection to the engine is closed, and for two seconds none is made
	stalled    victim = "stall"        // nothing passes on any connection to the engine for five seconds
	theEngine  victim = "engine"       // the engine is restarted, by a command that the caller names
	theRecover victim = "recover call" // SIGKILL of promote recover
)

// side is when a step is hit.
type side string

const (
	before side = "before" // the intent to do it is written
	during side = "during" // its work, at a fraction of the time that it takes
	after  side = "after"  // it is recorded as done
)

// moment is when somebody dies: around a step, or so many records after the moment before it.
type moment struct {
	step     string // its kind; "" counts records
	undo     bool
	side     side
	fraction float64
	records  int
}

func (m moment) String() string {
	if m.step == "" {
		return fmt.Sprintf("%d records later", m.records)
	}
	s := string(m.side) + " "
	if m.undo {
		s += "undo of "
	}
	if m.side == during {
		return fmt.Sprintf("%s%s (%.2f)", s, m.step, m.fraction)
	}
	return s + m.step
}

// hit is one death.
type hit struct {
	victim victim
	moment moment
}

func (h hit) String() string { return fmt.Sprintf("%s %s", h.victim, h.moment) }

// trial is one promotion and what dies in it. When it is done all the same, it is given back, and backHits are for that.
type trial struct {
	release  demo.Release
	hits     []hit
	backHits []hit
}

func (c trial) String() string {
	return fmt.Sprintf("release %s, hits %v, and %v while it is given back", c.release.Tag(), c.hits, c.backHits)
}

// block is how many trials in a row have the same release: bringing development to another one takes its time.
const block = 6

var (
	savingSteps = []string{"hold-images", "record-release", "dump-database", "seal-backup"}
	forward     = []string{
		"stop-services", "close-database", "fingerprint-database", "copy-database", "copy-volume", "open-database", "run-job",
		"start-services", "verify-services", "verify-checks", "settle",
	}
	backward = []string{"start-services", "open-database", "copy-volume", "copy-database", "fingerprint-database", "close-database", "stop-services"}
	releases = []demo.Release{
		{Number: 2},
		{Number: 2},
		demo.Broken(fault.AppFailsAfterMigration), demo.Broken(fault.MigrationFails), demo.Broken(fault.MigrationDeletes),
		demo.Broken(fault.Crash),
	}
)

// choose makes trial n of a seed.
func choose(seed, n uint64, engine bool) trial {
	c := trial{release: releases[rand.New(rand.NewPCG(seed, n/block<<32)).IntN(len(releases))]}
	r := rand.New(rand.NewPCG(seed, n))
	c.hits = someHits(r, c.release.Fault != fault.None, engine)
	if r.IntN(2) == 0 {
		c.backHits = someHits(r, true, engine)
		c.backHits[0].moment.step, c.backHits[0].moment.undo = one(r, backward), true
	}
	return c
}

func someHits(r *rand.Rand, broken, engine bool) []hit {
	victims := []victim{
		theAgent, theAgent, theAgent, theAgent, theDriver, theDriver, theDriver, both, both, agentHeld, agentHeld, theServer, theServer, theServer,
		aBackend, aBackend, aService, connection, connection, stalled,
	}
	if engine {
		victims = append(victims, theEngine, theEngine)
	}
	first := hit{victim: one(r, victims), moment: moment{step: one(r, forward), side: one(r, []side{before, during, during, after}), fraction: r.Float64()}}
	switch {
	case broken && r.IntN(2) == 0:
		first.moment.step, first.moment.undo = one(r, backward), true
	case r.IntN(8) == 0:
		first.moment.step = one(r, savingSteps)
	}
	hits := []hit{first}
	for len(hits) < 3 && r.IntN(5) < 2 {
		hits = append(hits, hit{victim: one(r, append(victims, theRecover, theRecover)), moment: moment{records: 1 + r.IntN(9)}})
	}
	return hits
}

func one[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }
