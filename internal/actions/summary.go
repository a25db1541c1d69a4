package actions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// SummaryLimit is the size in bytes of a step's summary that the runner still takes; a larger one is dropped whole.
const SummaryLimit = 1_048_576

// AddSummary appends Markdown to the step's summary. What would not fit is cut off where a section begins, with a word
// on how much it was.
func AddSummary(path, markdown string) error {
	if path == "" {
		return fmt.Errorf("actions: %w", ErrNoFile)
	}
	there := int64(0)
	if info, err := os.Stat(path); err == nil {
		there = info.Size()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("actions: %w", err)
	}
	markdown = strings.ToValidUTF8(strings.TrimRight(markdown, "\n"), "\uFFFD") + "\n"
	if there > 0 {
		markdown = "\n" + markdown
	}
	markdown = cutAtSection(markdown, SummaryLimit-int(there))
	if markdown == "" {
		return fmt.Errorf("actions: the step's summary is full: %d bytes of %d", there, SummaryLimit)
	}
	return appendTo(path, markdown)
}

// cutAtSection shortens Markdown to at most limit bytes at a line where nothing is open: before a heading, or else before any
// line outside of fences and folds. It returns "" when not even the word on the cut fits.
func cutAtSection(markdown string, limit int) string {
	if len(markdown) <= limit {
		return markdown
	}
	const room = 200 // for the word on the cut
	if limit < room {
		return ""
	}
	heading, line := 0, 0
	at, fence, folds := 0, "", 0
	for text := range strings.Lines(markdown) {
		if at > limit-room {
			break
		}
		bare := strings.TrimSpace(text)
		if fence == "" && folds == 0 {
			line = at
			if strings.HasPrefix(text, "#") {
				heading = at
			}
		}
		switch mark := fenceMark(bare); {
		case fence != "":
			if strings.HasPrefix(mark, fence) && mark == bare {
				fence = ""
			}
		case mark != "":
			fence = mark
		default:
			folds += strings.Count(bare, "<details") - strings.Count(bare, "</details>")
		}
		at += len(text)
	}
	cut := heading
	if cut == 0 {
		cut = line
	}
	return markdown[:cut] + fmt.Sprintf("\n> [!NOTE]\n> %d bytes more did not fit into a summary; the step's log file has all of it.\n", len(markdown)-cut)
}

// fenceMark is the run of backticks or tildes that a line begins with, when it is long enough to fence.
func fenceMark(line string) string {
	for _, c := range []string{"`", "~"} {
		if n := len(line) - len(strings.TrimLeft(line, c)); n >= 3 {
			return line[:n]
		}
	}
	return ""
}

// Fence is text as a Markdown block that it cannot leave.
func Fence(text string) string {
	longest, run := 2, 0
	for _, r := range text {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	fence := strings.Repeat("`", longest+1)
	return fence + "text\n" + strings.TrimRight(text, "\n") + "\n" + fence + "\n"
}
