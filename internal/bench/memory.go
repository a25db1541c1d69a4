package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// watchMemory follows the program at path and the agents of a project, until stop is called, which returns the most memory
// that one process of each had resident: what the kernel itself keeps of every process (VmHWM), read ten times a second.
func watchMemory(path, project string) (stop func() (driver, agent int64)) {
	done := make(chan struct{})
	var driver, agent int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			procs, _ := filepath.Glob("/proc/[0-9]*")
			for _, proc := range procs {
				line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
				if err != nil {
					continue
				}
				argv := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
				switch {
				case argv[0] == path:
					driver = max(driver, peak(proc))
				case argv[0] == "/promote" && slices.Contains(argv, project):
					agent = max(agent, peak(proc))
				}
			}
			select {
			case <-done:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	return func() (int64, int64) {
		close(done)
		wg.Wait()
		return driver, agent
	}
}

// peak is the most memory a process has had resident, in bytes; 0 when it is gone.
func peak(proc string) int64 {
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}
