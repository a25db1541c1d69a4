package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/org/promote-action/internal/promotion"
)

// Schema names the form of a snapshot.
const Schema = "promote.snapshot/1"

// savedSchema and its version name the form of a saved snapshot.
const (
	savedSchema  = "promote.saved"
	savedVersion = 1
)

// Saved is a snapshot that was written to a file, with what is known of the environment beside it. It holds no secret: hashes
// are keyed, and the key is not in it.
type Saved struct {
	Schema   string            `json:"schema"` // promote.saved/1
	Checksum string            `json:"checksum"`
	Tool     string            `json:"tool"` // version of promote that wrote it
	Snapshot Snapshot          `json:"snapshot"`
	Tests    []promotion.Check `json:"tests,omitempty"` // of the environment, at that moment
}

// ErrDamaged is a file that was cut, or changed since it was written.
var ErrDamaged = errors.New("the snapshot is damaged")

// NewerError is a file that a later version of promote wrote.
type NewerError struct{ Schema, Tool string }

func (e *NewerError) Error() string {
	return fmt.Sprintf("the snapshot has the form %s of promote %s; this program reads up to %s/%d", e.Schema, e.Tool, savedSchema, savedVersion)
}

// Hint is what would be accepted.
func (e *NewerError) Hint() string {
	return "use promote " + e.Tool + " or later, or save it again with this version: promote compare --save FILE"
}

// Encode writes a snapshot as a file: JSON, with a checksum that tells when it was cut.
func (s Saved) Encode() ([]byte, error) {
	s.Schema, s.Checksum = savedSchema+"/"+strconv.Itoa(savedVersion), ""
	bare, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	s.Checksum = checksum(bare)
	data, err := json.Marshal(s)
	return append(data, '\n'), err
}

// Decode reads what Encode wrote. The error is ErrDamaged, a *NewerError, or says what the file is instead.
func Decode(data []byte) (Saved, error) {
	var head struct {
		Schema string `json:"schema"`
		Tool   string `json:"tool"`
	}
	trimmed := bytes.TrimSpace(data)
	switch err := json.Unmarshal(trimmed, &head); {
	case len(trimmed) == 0:
		return Saved{}, fmt.Errorf("%w: the file is empty", ErrDamaged)
	case err != nil && bytes.HasPrefix(trimmed, []byte(`{"schema":"`+savedSchema+"/")):
		return Saved{}, fmt.Errorf("%w: it was cut after %d bytes, or changed", ErrDamaged, len(data))
	case err != nil:
		return Saved{}, errors.New("it is no snapshot")
	}
	name, number, _ := strings.Cut(head.Schema, "/")
	version, err := strconv.Atoi(number)
	switch {
	case name != savedSchema || err != nil:
		return Saved{}, fmt.Errorf("it is no snapshot, but %q", head.Schema)
	case version > savedVersion:
		return Saved{}, &NewerError{head.Schema, head.Tool}
	}
	var s Saved
	if err := json.Unmarshal(trimmed, &s); err != nil {
		return Saved{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	want := s.Checksum
	s.Checksum = ""
	bare, err := json.Marshal(s)
	if err != nil {
		return Saved{}, err
	}
	if s.Checksum = want; checksum(bare) != want {
		return Saved{}, fmt.Errorf("%w: its checksum does not fit: it was changed since it was written", ErrDamaged)
	}
	return s, nil
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
