package fault

import "math/rand/v2"

// Choose makes a random case: a shape, what is wrong with the release, and faults of its first process and of up to three
// that take up what it left.
func Choose(r *rand.Rand) Case {
	c := Case{Shape: Shape{Load: r.IntN(3) == 0, Databases: r.IntN(3), Job: r.IntN(3) > 0, Volume: r.IntN(2) == 0, Checkout: r.IntN(3) == 0}, Torn: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		c.Shape.Broken = Breakages[r.IntN(len(Breakages))]
	}
	if (c.Shape.Broken == JobFails || c.Shape.Broken == JobDeletes) && !c.Shape.Job {
		c.Shape.Broken = NoStart
	}
	if r.IntN(5) == 0 { // the containers stay what they are, so that only what comes after them can go wrong
		c.Shape.Given, c.Shape.Checkout, c.Shape.Databases = true, false, max(1, c.Shape.Databases)
		if c.Shape.Broken != Restarting {
			c.Shape.Broken = []Breakage{Fine, ChecksFail}[r.IntN(2)]
		}
	}
	c.Faults = some(r, 220)
	if r.IntN(3) == 0 {
		if c.Then = "back"; !c.Shape.Given && r.IntN(2) == 0 {
			c.Then = "keep-data"
		}
		c.ThenFaults = some(r, 90)
	}
	return c
}

// some chooses the faults of one to four processes, the first of about so many moments.
func some(r *rand.Rand, moments int) [][]Fault {
	var all [][]Fault
	for n := range 1 + r.IntN(4) {
		if n > 0 {
			moments = 100
		}
		var faults []Fault
		for range 1 + r.IntN(2) {
			faults = append(faults, one(r, moments))
		}
		all = append(all, faults)
	}
	return all
}

func one(r *rand.Rand, moments int) Fault {
	f := Fault{At: 1 + r.IntN(moments), Kind: Kill}
	if r.IntN(2) == 0 {
		f.Kind = Kinds[r.IntN(len(Kinds))]
	}
	if f.Kind == DiskFull || f.Kind == DatabaseDown {
		f.For = 1
		if f.Kind == DiskFull {
			f.For += r.IntN(3)
		}
		if r.IntN(4) == 0 {
			f.For = 1 << 30 // for as long as the process lives
		}
	}
	return f
}
