package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// sheet prints the figures as they come.
type sheet struct {
	out   io.Writer
	log   io.Writer
	short []string
}

// figure is ours against its anchor. Less is better for all of them.
type figure struct {
	name   string
	ours   float64
	anchor float64 // 0: there is nothing to compare with
	goal   float64 // the ratio to reach; 0 for none
	unit   unit
}

type unit int

const (
	seconds unit = iota
	megabytes
)

func (u unit) String(v float64) string {
	switch {
	case v == 0:
		return "-"
	case u == megabytes:
		return fmt.Sprintf("%.0f MB", v)
	case v < 1:
		return fmt.Sprintf("%.1f ms", 1000*v)
	}
	return fmt.Sprintf("%.2f s", v)
}

func (s *sheet) head(h *host, size int64) {
	fmt.Fprintf(s.out, "%s, %d processors, Docker %s, %d MB of data\n", time.Now().UTC().Format(time.DateOnly), h.processors, h.version, size/1e6)
	fmt.Fprintf(s.out, "%-58s %11s %11s %8s %8s\n", "name", "ours", "anchor", "ratio", "goal")
}

func (s *sheet) add(f figure) {
	ratio, goal, verdict := "-", "-", ""
	if f.anchor > 0 {
		ratio = fmt.Sprintf("%.3f", f.ours/f.anchor)
	}
	if f.goal > 0 {
		goal, verdict = fmt.Sprintf("%.3f", f.goal), "ok"
		if f.anchor <= 0 || f.ours/f.anchor > f.goal {
			verdict = "short"
			s.short = append(s.short, f.name)
		}
	}
	fmt.Fprintf(s.out, "%-58s %11s %11s %8s %8s %s\n", f.name, f.unit.String(f.ours), f.unit.String(f.anchor), ratio, goal, verdict)
}

// say tells what is done meanwhile.
func (s *sheet) say(format string, args ...any) { fmt.Fprintf(s.log, "  … "+format+"\n", args...) }

func (s *sheet) end() error {
	if len(s.short) > 0 {
		fmt.Fprintf(s.out, "%d short of their goal\n", len(s.short))
	}
	return nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
