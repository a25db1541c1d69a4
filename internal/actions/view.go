package actions

import (
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/terminal"
)

// View shows a promotion in the log of a step: a fold for each phase, and below it, always in sight, how the phase ended.
// What takes long has a line at most every 10 s. It may be used by several goroutines.
type View struct {
	log   *Log
	plain *terminal.Plain
}

// NewView shows in log.
func NewView(log *Log) *View { return &View{log: log, plain: terminal.NewPlain(log.Writer(), 0)} }

// Event shows one event.
func (v *View) Event(e promotion.Event) {
	switch e.Type {
	case promotion.PhaseStarted:
		v.log.Group(string(e.Phase))
	case promotion.PhaseEnded, promotion.Ended:
		v.log.EndGroup()
	}
	v.plain.Event(e)
}

// Note shows a line of the driver's own. Levels are info, warning and error.
func (v *View) Note(level, words string) { v.plain.Note(level, words) }

// Wait says what the driver waits for, once it takes longer than 2 s, until done is called.
func (v *View) Wait(what string) (done func()) { return v.plain.Wait(what) }

// Close ends the fold that is open, and the lines about what takes long.
func (v *View) Close() error {
	err := v.plain.Close()
	v.log.EndGroup()
	return err
}
