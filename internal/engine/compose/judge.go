package compose

import (
	"fmt"
	"time"

	"github.com/org/promote-action/internal/engine"
)

const (
	defaultSettle = 2 * time.Second
	maxRestarts   = 3 // so often a service may restart before it counts as a loop
)

// judge remembers what it saw of each container, to tell a slow start from one that leads nowhere.
type judge struct {
	seen map[string]*sighting
}

type sighting struct {
	restarts int       // when first seen; 0 for a container that is known to be new
	last     int       // restarts at the latest look
	since    time.Time // of the present run
	exited   int       // looks in a row at which it stood still although its policy restarts it
}

// verdict is what one look at a container says.
type verdict struct {
	ready bool
	text  string
	dead  string // why it can't become healthy any more; "" while it can
}

// look judges one container at time now.
func (j *judge) look(w engine.Want, c engine.Container, now time.Time) verdict {
	s := j.seen[c.ID]
	if s == nil {
		s = &sighting{restarts: c.Restarts, last: c.Restarts, since: now}
		j.seen[c.ID] = s
	}
	if c.Restarts != s.last || c.State != "running" {
		s.last, s.since = c.Restarts, now
	}
	grown := c.Restarts - s.restarts
	if grown >= maxRestarts || c.Restarts >= maxRestarts && (grown > 0 || c.State == "restarting") {
		return verdict{dead: fmt.Sprintf("restarted %d times, last exit code %d", c.Restarts, c.ExitCode)}
	}
	if c.State != "exited" {
		s.exited = 0
	}
	switch c.State {
	case "running":
		return running(w, c, now.Sub(s.since))
	case "exited":
		s.exited++
		return exited(w, c, s.exited)
	case "paused", "dead":
		return verdict{dead: c.State}
	case "restarting":
		return verdict{text: fmt.Sprintf("restarting (%d), exit code %d", c.Restarts, c.ExitCode)}
	}
	return verdict{text: c.State}
}

func running(w engine.Want, c engine.Container, undisturbed time.Duration) verdict {
	if w.Image != "" && c.ImageID != w.Image {
		return verdict{dead: fmt.Sprintf("runs image %s instead of %s", short(c.ImageID), short(w.Image))}
	}
	if w.OneShot {
		return verdict{text: "still running"}
	}
	if c.HasHealthcheck {
		switch c.Health {
		case "healthy":
			return verdict{ready: true, text: "healthy"}
		case "unhealthy":
			return verdict{dead: "unhealthy"}
		}
		return verdict{text: "health: starting"}
	}
	settle := w.Settle
	if settle == 0 {
		settle = defaultSettle
	}
	if undisturbed < settle {
		return verdict{text: "running, settling"}
	}
	return verdict{ready: true, text: "running"}
}

func exited(w engine.Want, c engine.Container, looks int) verdict {
	if (w.OneShot || w.MayEnd) && c.ExitCode == 0 {
		if w.Image != "" && c.ImageID != w.Image {
			return verdict{dead: fmt.Sprintf("ran image %s instead of %s", short(c.ImageID), short(w.Image))}
		}
		return verdict{ready: true, text: "completed"}
	}
	reason := fmt.Sprintf("exited (%d)", c.ExitCode)
	if c.OOMKilled {
		reason = "killed: out of memory"
	}
	again := c.RestartPolicy == "always" || c.RestartPolicy == "unless-stopped" ||
		c.RestartPolicy == "on-failure" && c.ExitCode != 0 && (c.MaxRetries == 0 || c.Restarts < c.MaxRetries)
	if again && looks < 3 { // between its end and its restart
		return verdict{text: reason + ", will restart"}
	}
	return verdict{dead: reason}
}
