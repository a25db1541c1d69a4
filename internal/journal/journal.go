package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/org/promote-action/internal/durable"
)

// ErrBroken is returned by Append after a failure that could not be taken back, for as long as it cannot, and when the journal
// is closed.
var ErrBroken = errors.New("journal is broken: what was cut off could not be removed from its end")

// file is what a journal needs of its file.
type file interface {
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Journal is an open journal. It may be used by several goroutines.
type Journal struct {
	mu      sync.Mutex
	f       file
	size    int64 // of the good part
	sum     string
	records []Record
	clock   clock
	broken  bool
	closed  bool
}

// Open opens the journal at path, creating it with permissions 0600 when there is none, and replays it. A record whose writing
// was cut is removed from the end and reported in Replay.Torn. Only one process can have a journal open: the next one gets
// durable.ErrLocked.
func Open(path string) (*Journal, Replay, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, Replay{}, fmt.Errorf("journal: %w", err)
	}
	j, replay, err := open(f, path)
	if err != nil {
		_ = f.Close()
		return nil, Replay{}, fmt.Errorf("journal: %s: %w", path, err)
	}
	return j, replay, nil
}

func open(f *os.File, path string) (*Journal, Replay, error) {
	if err := durable.LockFile(f); err != nil && !errors.Is(err, durable.ErrUnsupported) {
		return nil, Replay{}, err
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, Replay{}, err
	}
	p, err := parse(data)
	if err != nil {
		return nil, Replay{}, err
	}
	replay := p.replay(int64(len(data)))
	j := &Journal{f: f, size: p.good, sum: p.sum, records: p.records, clock: clockFrom(time.Now(), p.replay(0).State().LastTime, nil)}
	if replay.Torn > 0 {
		if err := j.takeBack(); err != nil {
			return nil, Replay{}, err
		}
	}
	if p.version == 0 {
		if err := j.writeHeader(path); err != nil {
			return nil, Replay{}, err
		}
		replay.Version = Version
	}
	replay.Records = slices.Clone(p.records)
	return j, replay, nil
}

func (j *Journal) writeHeader(path string) error {
	header := headerLine()
	if err := j.write(header); err != nil {
		return err
	}
	j.sum = header[:len(header)-1]
	return durable.SyncDir(filepath.Dir(path))
}

// Append writes r and returns it as written, with Seq, and with Time where r had none. When it returns without an error the
// record is on the disk; when it returns one, the journal holds what it held before.
func (j *Journal) Append(r Record) (Record, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return Record{}, ErrBroken
	}
	if j.broken { // what stands behind the good part was never acknowledged: it may go as soon as the disk lets it
		if err := j.takeBack(); err != nil {
			return Record{}, errors.Join(ErrBroken, err)
		}
		j.broken = false
	}
	r.Seq = int64(len(j.records)) + 1
	if r.Time.IsZero() {
		r.Time = j.clock.now()
	}
	r.Time = r.Time.UTC()
	switch r.Type {
	case UndoIntent, Undone, UndoFailed:
		r.Undo = true
	}
	if err := r.check(); err != nil {
		return Record{}, fmt.Errorf("journal: %w", err)
	}
	line, sum, err := encode(r, j.sum)
	if err != nil {
		return Record{}, fmt.Errorf("journal: %w", err)
	}
	// What a later reader will see is what the caller gets, and nothing is written that could not be read.
	if r, _, err = decode(line[:len(line)-1], j.sum); err != nil {
		return Record{}, fmt.Errorf("journal: %w", err)
	}
	if err := j.write(line); err != nil {
		return Record{}, fmt.Errorf("journal: record %d: %w", r.Seq, err)
	}
	j.sum = sum
	j.records = append(j.records, r)
	return r, nil
}

// write puts text behind the good part, or takes back what it could write of it.
func (j *Journal) write(text string) error {
	_, err := j.f.WriteAt([]byte(text), j.size)
	if err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		return errors.Join(err, j.takeBack())
	}
	j.size += int64(len(text))
	return nil
}

func (j *Journal) takeBack() error {
	err := j.f.Truncate(j.size)
	if err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		j.broken = true
		return fmt.Errorf("cut back to %d bytes: %w", j.size, err)
	}
	return nil
}

// Records returns all records so far.
func (j *Journal) Records() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.records)
}

// State is the state after the last record.
func (j *Journal) State() State { return StateOf(j.Records()) }

// Close closes the file and gives its lock back.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	return j.f.Close()
}
