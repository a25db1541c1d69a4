package plan

import (
	"fmt"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// Measured is what was measured at the target, on the spot or in its last promotion. What is not in it is guessed.
type Measured struct {
	Speeds    []Speed   `json:"speeds,omitempty"`
	Promotion string    `json:"promotion,omitempty"` // the last one that ended well
	Steps     []Earlier `json:"steps,omitempty"`     // of that promotion
}

// Earlier is what a step took in an earlier promotion.
type Earlier struct {
	Step  string             `json:"step"`
	Took  promotion.Duration `json:"took"`
	Bytes int64              `json:"bytes,omitempty"` // of the database at that time; 0 of a step that has none
}

// What a speed is of.
const (
	Fingerprinting = "fingerprint"
	Cloning        = "clone"
)

// Speed is how long something takes for one database: Fixed whatever its size, and Took for every Bytes.
type Speed struct {
	Of       string             `json:"of"`
	Server   string             `json:"server"`
	Database string             `json:"database"`
	Fixed    promotion.Duration `json:"fixed"`
	Bytes    int64              `json:"bytes,omitempty"`
	Took     promotion.Duration `json:"took,omitempty"`
	Total    int64              `json:"total,omitempty"`   // bytes that there are to read; 0: the size of the database
	Missing  string             `json:"missing,omitempty"` // why it could not be measured
}

func (s Speed) of(bytes int64) time.Duration {
	if s.Total > 0 {
		bytes = s.Total
	}
	took := s.Fixed.Time()
	if s.Bytes > 0 {
		took += time.Duration(float64(s.Took.Time()) * float64(bytes) / float64(s.Bytes))
	}
	return took
}

func (s Speed) basis() string {
	switch {
	case s.Missing != "":
		return guessed + ": " + s.Missing
	case s.Bytes > 0 && s.Took > 0:
		return fmt.Sprintf("measured: %s/s", step.Bytes(int64(float64(s.Bytes)/s.Took.Time().Seconds())))
	}
	return "measured"
}

func (m Measured) speed(of, server, database string) (Speed, bool) {
	for _, s := range m.Speeds {
		if s.Of == of && s.Server == server && s.Database == database {
			return s, true
		}
	}
	return Speed{}, false
}

// earlier scales what a step took in the last promotion to what it has to do now.
func (m Measured) earlier(name string, bytes int64) (time.Duration, bool) {
	for _, e := range m.Steps {
		switch {
		case e.Step != name:
		case bytes > 0 && e.Bytes > 0:
			return time.Duration(float64(e.Took.Time()) * float64(bytes) / float64(e.Bytes)), true
		default:
			return e.Took.Time(), true
		}
	}
	return 0, false
}
