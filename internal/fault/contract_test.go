package fault

import (
	"testing"

	"github.com/org/promote-action/internal/step/contract"
)

// The model is a stack like the real one: the same tests run on an engine in package agent.
func TestContract(t *testing.T) {
	broken := map[contract.Broken]Breakage{contract.Fine: Fine, contract.JobFails: JobFails, contract.NoStart: NoStart, contract.Unhealthy: Unhealthy}
	contract.Stack(t, func(t *testing.T, b contract.Broken) contract.Fixture {
		w := NewWorld(Shape{Databases: 1, Job: true, Broken: broken[b]})
		delete(w.Containers, "worker")
		w.before = w.containers()
		f := contract.Fixture{Stack: w.Target().Stack, Old: map[string]string{}, New: map[string]string{}}
		for name := range w.Containers {
			f.Old[name] = oldImage + name
			if name != "db" {
				f.New[name] = newImage + name
			}
		}
		f.Look = func(*testing.T) map[string]contract.Container {
			seen := map[string]contract.Container{}
			for name, c := range w.Containers {
				seen[name] = contract.Container{ID: c.ID, Image: c.Image, Running: c.Running}
			}
			return seen
		}
		return f
	})
}
