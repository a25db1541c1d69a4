package engine

import "time"

// Want is what a service must be before it counts as healthy.
type Want struct {
	Service  string
	Image    string        // image ID that every replica must run; "" accepts any
	Timeout  time.Duration // 0 leaves the bound to the context
	Replicas int           // 0 means at least one
	OneShot  bool          // it must have ended with code 0
	MayEnd   bool          // to have ended with code 0 is well too
	Settle   time.Duration // how long a service without a health check must run undisturbed; 0 means 2 s
}

// Waiting is one change in what a wait sees.
type Waiting struct {
	Service string
	Ready   bool
	Text    string // "healthy", "health: starting", "1 of 2 replicas", …
	Elapsed time.Duration
}
