// Package terminal shows a promotion while it goes on: as a live view on a terminal, as plain lines elsewhere, and as a log
// file in any case. All three are fed the same events and never decide anything.
package terminal

import (
	"os"

	"golang.org/x/term"

	"github.com/org/promote-action/internal/text"
)

// Kind is what an output can show.
type Kind struct {
	Live  bool       // a terminal that can be redrawn
	Style text.Style // colours or none
	Width func() int // cells of a line now; 0 where lines have no end
}

// Detect finds out what stdout can show. env gives the value of an environment variable, as os.Getenv does: NO_COLOR takes the
// colours away, TERM=dumb also the live view.
func Detect(stdout *os.File, env func(string) string) Kind {
	fd := int(stdout.Fd())
	if !term.IsTerminal(fd) {
		return Kind{Width: func() int { return 0 }}
	}
	dumb := env("TERM") == "dumb" || env("TERM") == ""
	return Kind{Live: !dumb, Style: text.Style{Colour: !dumb && env("NO_COLOR") == ""}, Width: func() int {
		width, _, err := term.GetSize(fd)
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}}
}
