package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Version is the format that this program writes. It reads every version up to this one.
const Version = 1

const magic = "promote-journal/"

// ErrDamaged is matched by errors about records that were once written whole and are so no more.
var ErrDamaged = errors.New("journal is damaged")

// ErrNewer is returned for a journal or a state volume written by a newer version of this program.
var ErrNewer = errors.New("written by a newer version of promote")

// Damage is a record that cannot be trusted. It matches ErrDamaged.
type Damage struct {
	Line   int // from 1; the header is line 1
	Reason string
}

func (d *Damage) Error() string { return fmt.Sprintf("%v: line %d: %s", ErrDamaged, d.Line, d.Reason) }

// Is makes a Damage match ErrDamaged.
func (d *Damage) Is(target error) bool { return target == ErrDamaged }

// Replay is what a journal holds.
type Replay struct {
	Version int
	Records []Record
	Torn    int64 // bytes at the end that belong to a record whose writing was cut; never acknowledged, ignored
}

// State is the state after the last record.
func (r Replay) State() State { return StateOf(r.Records) }

// Read replays the journal at path without changing it, also while someone else writes it.
func Read(path string) (Replay, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Replay{}, fmt.Errorf("journal: %w", err)
	}
	parsed, err := parse(data)
	if err != nil {
		return Replay{}, fmt.Errorf("journal: %s: %w", path, err)
	}
	return parsed.replay(int64(len(data))), nil
}

// parsed is a journal's content together with where its good part ends and what the next record's checksum builds on.
type parsed struct {
	version int
	records []Record
	good    int64  // bytes
	sum     string // of the last record, or the header
}

func (p parsed) replay(size int64) Replay {
	return Replay{Version: p.version, Records: p.records, Torn: size - p.good}
}

// parse reads a whole journal. A cut in the last record is no error: good is then less than the length of data.
func parse(data []byte) (parsed, error) {
	header, rest, whole := bytes.Cut(data, []byte("\n"))
	if !whole {
		if strings.HasPrefix(headerLine(), string(data)) || unwritten(data, 0) {
			return parsed{}, nil
		}
		return parsed{}, &Damage{1, "the header is not one of a journal"}
	}
	version, err := parseHeader(string(header))
	if err != nil {
		return parsed{}, err
	}
	p := parsed{version: version, sum: string(header), good: int64(len(header)) + 1}
	for line := 2; len(rest) > 0; line++ {
		text, after, whole := bytes.Cut(rest, []byte("\n"))
		if !whole && !overwritten(text, p.sum) {
			return p, nil // cut while it was written
		}
		r, sum, err := decode(string(text), p.sum)
		if err == nil && r.Seq != int64(line)-1 {
			err = fmt.Errorf("record %d where %d was expected", r.Seq, line-1)
		}
		switch {
		case errors.Is(err, ErrNewer):
			return parsed{}, fmt.Errorf("line %d: %w", line, err)
		case err != nil && len(after) == 0 && unwritten(text, p.good):
			return p, nil
		case err != nil:
			return parsed{}, &Damage{line, err.Error()}
		}
		p.records = append(p.records, r)
		p.sum = sum
		p.good += int64(len(text)) + 1
		rest = after
	}
	return p, nil
}

func headerLine() string { return magic + strconv.Itoa(Version) + "\n" }

func parseHeader(line string) (int, error) {
	digits, ok := strings.CutPrefix(line, magic)
	version, err := strconv.Atoi(digits)
	switch {
	case !ok || err != nil || version < 1 || strconv.Itoa(version) != digits:
		return 0, &Damage{1, "the header is not one of a journal"}
	case version > Version:
		return 0, fmt.Errorf("format %d, this version reads up to %d: %w", version, Version, ErrNewer)
	}
	return version, nil
}

// encode gives the line of r, with its line feed, and its checksum.
func encode(r Record, previous string) (line, sum string, err error) {
	payload, err := json.Marshal(r)
	if err != nil {
		return "", "", err
	}
	at := r.Time.Format(time.RFC3339Nano)
	sum = checksum(previous, strconv.FormatInt(r.Seq, 10), at, string(payload))
	return fmt.Sprintf("%d %s %s %s\n", r.Seq, at, sum, payload), sum, nil
}

// decode reads one line without its line feed.
func decode(line, previous string) (Record, string, error) {
	part := strings.SplitN(line, " ", 4)
	if len(part) != 4 {
		return Record{}, "", errors.New("not a record")
	}
	if part[2] != checksum(previous, part[0], part[1], part[3]) {
		return Record{}, "", errors.New("the checksum differs")
	}
	var r Record
	if err := json.Unmarshal([]byte(part[3]), &r); err != nil {
		return Record{}, "", err
	}
	var err error
	if r.Seq, err = strconv.ParseInt(part[0], 10, 64); err != nil {
		return Record{}, "", err
	}
	if r.Time, err = time.Parse(time.RFC3339Nano, part[1]); err != nil {
		return Record{}, "", err
	}
	r.Time = r.Time.UTC()
	return r, part[2], r.check()
}

// checksum covers a record and, through previous, all that stand before it: the first 64 bits of SHA-256, in hex.
func checksum(previous, seq, at, payload string) string {
	h := sha256.Sum256([]byte(previous + "\n" + seq + " " + at + " " + payload))
	return hex.EncodeToString(h[:8])
}

// overwritten reports whether a last line without a line feed is a whole record with another byte in the line feed's place. A cut
// cannot give that.
func overwritten(text []byte, previous string) bool {
	if len(text) == 0 {
		return false
	}
	_, _, err := decode(string(text[:len(text)-1]), previous)
	return err == nil
}

// unwritten reports whether text, which begins at the given offset of its file, has blocks that never reached the disk: zeros
// from the record's start or a sector's start, to a sector's end or the end of the text. A crash can leave such a record where
// the file had grown already; nobody was told that it was written.
func unwritten(text []byte, offset int64) bool {
	const sector = 512
	for i := 0; i < len(text); {
		if text[i] != 0 {
			i++
			continue
		}
		end := i
		for end < len(text) && text[end] == 0 {
			end++
		}
		starts := i == 0 || (offset+int64(i))%sector == 0
		ends := end == len(text) || (offset+int64(end))%sector == 0
		if starts && ends {
			return true
		}
		i = end
	}
	return false
}
