package compose

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/docker/docker/api/types/container"

	"github.com/org/promote-action/internal/engine"
)

// Stats measures a running container; the engine takes one to two seconds for the two readings that it needs.
func (e *Engine) Stats(ctx context.Context, id string) (engine.Stats, error) {
	r, err := e.api.ContainerStats(ctx, id, false)
	if err != nil {
		return engine.Stats{}, notFound(fmt.Errorf("stats of %s: %w", short(id), err))
	}
	defer r.Body.Close()
	var s container.StatsResponse
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		return engine.Stats{}, fmt.Errorf("stats of %s: %w", short(id), err)
	}
	return stats(s), nil
}

func stats(s container.StatsResponse) engine.Stats {
	out := engine.Stats{
		Memory: int64(s.MemoryStats.Usage), MemoryLimit: int64(s.MemoryStats.Limit), Processes: int(s.PidsStats.Current),
	}
	// As `docker stats` does: the inactive page cache goes when memory is needed. cgroup v1, then v2.
	for _, key := range []string{"total_inactive_file", "inactive_file"} {
		if cache, ok := s.MemoryStats.Stats[key]; ok {
			if cache < s.MemoryStats.Usage {
				out.Memory -= int64(cache)
			}
			break
		}
	}
	cpu := float64(s.CPUStats.CPUUsage.TotalUsage) - float64(s.PreCPUStats.CPUUsage.TotalUsage)
	system := float64(s.CPUStats.SystemUsage) - float64(s.PreCPUStats.SystemUsage)
	online := float64(s.CPUStats.OnlineCPUs)
	if online == 0 {
		online = float64(len(s.CPUStats.CPUUsage.PercpuUsage))
	}
	if cpu > 0 && system > 0 {
		out.CPU = cpu / system * online
	}
	return out
}
