package engine

import "time"

// Event is something that happened to a container, network, volume or image.
type Event struct {
	Time      time.Time
	Kind      string // container, network, volume, image, stack
	Action    string // in lower case: "created", "started", "die", "health_status: healthy", …
	Service   string
	Container string // name
	ID        string
	ExitCode  int // of die
	Warning   bool
	Text      string // what a person should read; may be empty
}

// Stopped says how a container ended when it was asked to stop.
type Stopped struct {
	Service   string
	Container string
	ExitCode  int
	Killed    bool // it outlived its grace period
	Grace     time.Duration
	Took      time.Duration
}
