package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A scalar type parses itself from the text of a YAML value. Its error says what would be accepted, and never repeats
// the text, which may be secret.
type textual interface{ parse(text string) error }

// A type with a closed set of values names them.
type closed interface{ choices() []string }

// Duration is a Go duration: 300ms, 60s, 1h30m.
type Duration time.Duration

var errDuration = errors.New("write a Go duration that is not negative, like 500ms, 60s or 1h30m")

func (d *Duration) parse(text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value < 0 {
		return errDuration
	}
	*d = Duration(value)
	return nil
}

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Percent is a share in percent: 1% is Percent(1).
type Percent float64

var errPercent = errors.New("write a percentage from 0% to 100%, like 1% or 0.5%")

func (p *Percent) parse(text string) error {
	number, ok := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(value >= 0 && value <= 100) {
		return errPercent
	}
	*p = Percent(value)
	return nil
}

// Fraction is the share as a number from 0 to 1.
func (p Percent) Fraction() float64 { return float64(p) / 100 }

func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// MarshalText writes the number with its sign.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Day is a day of the calendar in UTC: 2026-12-31.
type Day string

var errDay = errors.New("write a day as YYYY-MM-DD, like 2026-12-31")

func (d *Day) parse(text string) error {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return errDay
	}
	*d = Day(text)
	return nil
}

// Time is the day's beginning.
func (d Day) Time() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{}
	}
	return t
}

// Scalar is a string, a number or a boolean as it was written: 1.10 stays 1.10.
type Scalar string

// Secret is a string that printing, formatting and marshalling replace by ***. Reveal gives the string itself.
type Secret string

const hidden = "***"

// Reveal returns the secret.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format hides the secret from every verb of package fmt.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(s.String())) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
