package agent

import "time"

// situation is all that decides what a promoting agent does while nobody tells it anything.
type situation struct {
	Problem  bool          // its state cannot be used
	Bound    bool          // the engine would start it again: something is unfinished
	Open     bool          // it has a promotion
	Over     bool          // which has its outcome
	Begun    bool          // which has touched the target
	Idle     bool          // which does nothing at the moment
	Leaving  bool          // its driver has no more calls
	Quiet    time.Duration // since the last call; 0 while there is one
	Rested   time.Duration // since the promotion's last phase ended
	Patience time.Duration // how long a driver is waited for
	Deadline time.Duration // between two phases that change something; 0: none
}

// move is what an agent does by itself.
type move string

const (
	stay    move = "stay"
	leave   move = "leave"   // and give the lock back
	abandon move = "abandon" // end a promotion that has touched nothing, since its driver is gone
	goBack  move = "go back" // roll a promotion back that was left between two phases
)

// afterwards is how long a promotion that is over waits for a driver to read the end of the story.
const afterwards = 5 * time.Second

func (s situation) next() move {
	gone := s.Leaving && s.Quiet > 0
	switch {
	case s.Problem && s.Bound:
		return stay // what it cannot read now it has to end as soon as it can
	case s.Problem || !s.Open:
		if gone || s.Quiet > s.Patience {
			return leave
		}
	case s.Over:
		if s.Idle && (gone || s.Quiet > afterwards) {
			return leave
		}
	case !s.Begun:
		if gone {
			return leave
		}
		if s.Quiet > s.Patience {
			return abandon
		}
	case s.Idle && s.Deadline > 0 && s.Rested > s.Deadline:
		return goBack
	}
	return stay
}
