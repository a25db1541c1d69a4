package actions

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// ErrNoFile means that the runner gave no file to write to.
var ErrNoFile = errors.New("the runner gave no file")

// The variables that name the runner's files.
const (
	OutputFile  = "GITHUB_OUTPUT"
	StateFile   = "GITHUB_STATE"
	SummaryFile = "GITHUB_STEP_SUMMARY"
)

var pairName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// Set appends name and value to a file of outputs or of state. The value may be anything; what is not UTF-8 in it is
// replaced. The delimiter is random, so that no value can end itself and begin another output.
func Set(path, name, value string) error {
	if !pairName.MatchString(name) {
		return fmt.Errorf("actions: %q is not a name of an output", name)
	}
	value = strings.ToValidUTF8(value, "\uFFFD")
	var b [16]byte
	_, _ = rand.Read(b[:])
	delimiter := "ghadelimiter_" + hex.EncodeToString(b[:])
	return appendTo(path, name+"<<"+delimiter+"\n"+value+"\n"+delimiter+"\n")
}

// appendTo writes text in one write, so that a process that is killed leaves no half of it behind.
func appendTo(path, text string) error {
	if path == "" {
		return fmt.Errorf("actions: %w", ErrNoFile)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("actions: %w", err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("actions: %w", err)
	}
	return nil
}
