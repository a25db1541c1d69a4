package terminal

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/org/promote-action/internal/text"
)

// screen is a terminal of endless height that understands what Live writes, and nothing else.
type screen struct {
	t        *testing.T
	mu       sync.Mutex
	width    int
	rows     [][]rune
	row, col int
	writes   int
}

func (s *screen) cells() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.width
}

// resize wraps what is on the screen as terminals do, the cursor being below it.
func (s *screen) resize(width int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	narrow := &screen{t: s.t, width: width}
	for _, row := range s.rows[:s.row] {
		_, _ = narrow.Write([]byte(string(row) + "\n"))
	}
	s.width, s.rows, s.row, s.col = width, narrow.rows, narrow.row, narrow.col
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	for rest := string(p); rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		switch r {
		case '\r':
			s.col = 0
		case '\n':
			s.row, s.col = s.row+1, 0
			s.line()
		case '\x1b':
			rest = s.escape(rest)
		default:
			if s.col+text.Width(string(r)) > s.width {
				s.row, s.col = s.row+1, 0
			}
			row := s.line()
			for len(*row) <= s.col {
				*row = append(*row, ' ')
			}
			(*row)[s.col] = r
			s.col += text.Width(string(r))
		}
	}
	return len(p), nil
}

func (s *screen) line() *[]rune {
	for len(s.rows) <= s.row {
		s.rows = append(s.rows, nil)
	}
	return &s.rows[s.row]
}

func (s *screen) escape(rest string) string {
	end := strings.IndexAny(rest, "ABCDEFGHJKSTfhlmnsu")
	if !strings.HasPrefix(rest, "[") || end < 0 {
		s.t.Fatalf("unknown escape %q", rest)
	}
	n := 0
	for _, c := range rest[1:end] {
		if c >= '0' && c <= '9' {
			n = n*10 + int(c-'0')
		}
	}
	switch rest[end] {
	case 'A':
		if s.row -= n; s.row < 0 {
			s.t.Fatalf("the cursor went above the first row")
		}
	case 'K':
		if row := s.line(); len(*row) > s.col {
			*row = (*row)[:s.col]
		}
	case 'J':
		if row := s.line(); len(*row) > s.col {
			*row = (*row)[:s.col]
		}
		s.rows = s.rows[:s.row+1]
	case 'm':
	default:
		s.t.Fatalf("unknown escape %q", rest[:end+1])
	}
	return rest[end+1:]
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, row := range s.rows {
		lines = append(lines, strings.TrimRight(string(row), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}
