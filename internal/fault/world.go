package fault

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/org/promote-action/internal/step"
)

// Container is one container of the model.
type Container struct {
	ID       string
	Service  string
	Image    string
	Config   string
	Running  bool
	Stopped  bool   // by hand
	Restart  string // policy: no, unless-stopped, always
	Job      bool
	Progress int // of a job that runs
	Waits    int // how often it was not let into its database
	Code     int // of a job that ended
	Sick     bool
	Restarts int
}

// DB is one database of the model.
type DB struct {
	OID      int
	Open     bool
	Schema   []string
	Rows     map[string]string
	Copy     bool // made by promote
	Complete bool // its mark is written
	Swapped  int  // OID of the database that took its place
}

func (d *DB) copy() *DB {
	c := *d
	c.Schema, c.Rows = slices.Clone(d.Schema), maps.Clone(d.Rows)
	return &c
}

// Breakage is in what way a release is broken.
type Breakage string

// The ways in which a release can be broken.
const (
	Fine         Breakage = ""
	JobFails     Breakage = "the migration fails half-way"
	JobDeletes   Breakage = "the migration deletes rows and the release does not start"
	NoStart      Breakage = "does not start"
	Unhealthy    Breakage = "never healthy"
	ChecksFail   Breakage = "serves the old version"
	Restarting   Breakage = "restarts while it settles"
	StartChanges Breakage = "changes the schema at its start and is never healthy"
)

// Breakages are all of them.
var Breakages = []Breakage{Fine, JobFails, JobDeletes, NoStart, Unhealthy, ChecksFail, Restarting, StartChanges}

// World is the target. It is not safe for use by several goroutines.
type World struct {
	Shape      Shape
	Containers map[string]*Container // by name
	Databases  map[string]*DB
	Volumes    map[string][]string
	copies     map[string][]string
	Tags       map[string]string
	Commit     string
	Branch     string
	Files      map[string][]byte // the restore point
	Cancelled  bool              // someone asked to stop

	// Acked are the rows and files that were acknowledged to users, by the release that took them. Late are those that the
	// old release took although it should have been down.
	Acked map[string][]string
	Late  map[string]bool
	Wrong []string // operations that were done at a moment when they must not be

	real        Backend // nil: databases are maps
	ids, writes int
	down, full  int
	failNext    Kind
	moment      int
	faults      []Fault
	cancel      func() // someone asks to stop
	expire      func() // the deadline of the promotion passes
	trace       []string
	before      map[string]Container
	beforeDBs   []string
}

// Shape is what the environment and the release are like.
type Shape struct {
	Given     bool // not a release: a backup is restored
	Load      bool // the server allows no clone
	Databases int
	Job       bool
	Volume    bool
	Checkout  bool
	Broken    Breakage
}

func (s Shape) String() string {
	return fmt.Sprintf("given=%t load=%t databases=%d job=%t volume=%t checkout=%t broken=%q", s.Given, s.Load, s.Databases, s.Job, s.Volume, s.Checkout, string(s.Broken))
}

const (
	oldCommit = "1111111111111111111111111111111111111111"
	newCommit = "2222222222222222222222222222222222222222"
	oldImage  = "sha256:old-"
	newImage  = "sha256:new-"
	volume    = "shop_uploads"
)

// NewWorld makes a target that runs the old release.
func NewWorld(shape Shape) *World {
	w := &World{
		Shape: shape, Containers: map[string]*Container{}, Databases: map[string]*DB{}, Volumes: map[string][]string{}, copies: map[string][]string{},
		Tags: map[string]string{}, Commit: oldCommit, Branch: "main", Files: map[string][]byte{}, Acked: map[string][]string{}, Late: map[string]bool{}, cancel: func() {}, expire: func() {},
	}
	for service, restart := range map[string]string{"db": "always", "api": "always", "worker": "unless-stopped", "web": "unless-stopped"} {
		w.Containers[service] = &Container{ID: w.id(), Service: service, Image: oldImage + service, Config: "old", Running: true, Restart: restart}
	}
	if shape.Job {
		w.Containers["migrate"] = &Container{ID: w.id(), Service: "migrate", Image: oldImage + "migrate", Config: "old", Restart: "no", Job: true}
	}
	for i := range shape.Databases {
		w.ids++
		w.Databases[dbName(i)] = &DB{OID: w.ids, Open: true, Schema: []string{"1"}, Rows: map[string]string{"seed": "row"}}
	}
	w.Databases["postgres"] = &DB{OID: 5, Open: true}
	if shape.Volume {
		w.Volumes[volume] = []string{"seed"}
	}
	w.before = w.containers()
	w.beforeDBs = slices.Sorted(maps.Keys(w.Databases))
	return w
}

func dbName(i int) string { return []string{"shop", "billing"}[i] }

func (w *World) id() string {
	w.ids++
	return fmt.Sprintf("c%d", w.ids)
}

func (w *World) containers() map[string]Container {
	out := map[string]Container{}
	for name, c := range w.Containers {
		out[name] = *c
	}
	return out
}

func release(c *Container) string {
	if c.Config == "old" {
		return "old"
	}
	return "new"
}

// era is whose a write is: the release's, or where a backup is restored that of the databases that are there.
func (w *World) era(c *Container) string {
	if !w.Shape.Given {
		return release(c)
	}
	for i := range w.Shape.Databases {
		if db := w.Databases[dbName(i)]; db != nil && slices.Equal(db.Schema, []string{givenSchema}) {
			return "new"
		}
	}
	return "old"
}

// live is what the target does by itself between two operations: services take writes, jobs go on.
func (w *World) live() {
	for _, name := range slices.Sorted(maps.Keys(w.Containers)) {
		c := w.Containers[name]
		switch {
		case !c.Running || c.Service == "db" || c.Service == "web":
		case c.Job:
			w.work(c)
		default:
			w.write(c)
		}
	}
}

// write is one request to a service: a row in every database and, of the api, a file.
func (w *World) write(c *Container) {
	if c.Sick {
		return
	}
	w.writes++
	key := fmt.Sprintf("%s-%s-%d", w.era(c), c.Service, w.writes)
	acked := false
	for i := range w.Shape.Databases {
		if w.insert(dbName(i), key) {
			w.Acked["row "+dbName(i)] = append(w.Acked["row "+dbName(i)], key)
			acked = true
		}
	}
	if w.Shape.Volume && c.Service == "api" {
		w.Volumes[volume] = append(w.Volumes[volume], key)
		w.Acked["file"] = append(w.Acked["file"], key)
		acked = true
	}
	if acked && c.Stopped {
		w.Late[key] = true
	}
}

// work is one statement of a migration: each commits by itself.
func (w *World) work(c *Container) {
	if w.Shape.Databases == 0 {
		c.Running, c.Code = false, 0
		return
	}
	for i := range w.Shape.Databases {
		ok := true
		switch {
		case c.Progress == 0:
			ok = w.change(dbName(i), "2a", w.Shape.Broken == JobDeletes)
		case c.Progress < jobMoments: // it is at it for a while
		case c.Progress == jobMoments:
			ok = w.Shape.Broken != JobFails && w.change(dbName(i), "2b", false)
		default:
			c.Running, c.Code = false, 0
			return
		}
		if !ok && w.Shape.Broken != JobFails && c.Waits < patience {
			c.Waits++ // it tries again, as a program does whose database is not there yet
			return
		}
		if !ok {
			c.Running, c.Code = false, 1
			return
		}
	}
	c.Progress++
}

// jobMoments is how long a migration takes between its two statements.
const jobMoments = 25

// patience is how often a job tries to get into its database.
const patience = 120

// Backend is a real database server in the place of the maps.
type Backend interface {
	// Reset makes the databases of a new world.
	Reset(w *World)
	// Insert writes a row and reports whether it was committed.
	Insert(db, key string) bool
	// Change adds to the schema, and deletes the seeded row where that is asked for.
	Change(db, change string, deletes bool) bool
	// Server is what the steps work on.
	Server() step.Database
	// Sync reads what is there into the world.
	Sync(w *World) error
	// Crash kills the server, which comes back by itself.
	Crash()
}

// insert is one committed write; it fails as a client fails that is not let in.
func (w *World) insert(name, key string) bool {
	if w.real != nil {
		return w.moment%7 == 0 && w.real.Insert(name, key)
	}
	db, ok := w.Databases[name]
	if !ok || !db.Open || w.down > 0 {
		return false
	}
	db.Rows[key] = "written"
	return true
}

// change is one statement of a migration.
func (w *World) change(name, change string, deletes bool) bool {
	if w.real != nil {
		return w.real.Change(name, change, deletes)
	}
	db, ok := w.Databases[name]
	if !ok || !db.Open || w.down > 0 {
		return false
	}
	add(db, change)
	if deletes {
		delete(db.Rows, "seed")
	}
	return true
}

func add(db *DB, change string) {
	if !slices.Contains(db.Schema, change) {
		db.Schema = append(db.Schema, change)
	}
}

// reboot restarts the host: everything ends, and what its restart policy says starts again.
func (w *World) reboot() {
	for _, c := range w.Containers {
		c.Running = c.Running && c.Restart == "unless-stopped" || c.Restart == "always" // always: also what was stopped by hand
	}
	w.down = 0
}

// sessions counts the clients of a database.
func (w *World) sessions(name string) []string {
	var list []string
	db := w.Databases[name]
	if db == nil || !db.Open || db.Copy {
		return nil
	}
	for _, n := range slices.Sorted(maps.Keys(w.Containers)) {
		if c := w.Containers[n]; c.Running && c.Service != "db" && c.Service != "web" && !c.Sick {
			list = append(list, c.Service)
		}
	}
	return list
}

var epoch = time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)
