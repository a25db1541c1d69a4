// Package notify tells others what a promotion does: a comment on a pull request, a deployment of GitHub's, a message in
// Slack. Nothing here decides anything, and no failure here changes how a promotion ends; every failure is returned, so
// that it is seen.
package notify

import (
	"errors"
	"fmt"
	"unicode/utf16"
)

// Error is a message that could not be sent, and what to do about it.
type Error struct {
	To     string // github, slack
	What   string
	Advice string
	Err    error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.To + ": " + e.What
	}
	return fmt.Sprintf("%s: %s: %v", e.To, e.What, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Hint is the next thing to do.
func (e *Error) Hint() string { return e.Advice }

// ErrReadOnly means that the token may read but not write, as that of a pull request from a fork.
var ErrReadOnly = errors.New("the token may not write")

// Length is the number of characters of a text as services with a limit count them: UTF-16 units, the strictest way.
func Length(text string) int {
	n := 0
	for _, r := range text {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}
