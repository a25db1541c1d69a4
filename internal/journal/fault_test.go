package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/org/promote-action/internal/durable"
	"github.com/org/promote-action/internal/process"
)

// faulty is a real file on a disk with room for so many bytes more.
type faulty struct {
	*os.File
	room      int
	sync, cut error
}

func (f *faulty) WriteAt(p []byte, at int64) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	if _, err := f.File.WriteAt(p[:n], at); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *faulty) Sync() error {
	err := f.sync
	f.sync = nil
	return errors.Join(err, f.File.Sync())
}

func (f *faulty) Truncate(size int64) error {
	if f.cut != nil {
		return f.cut
	}
	return f.File.Truncate(size)
}

// Wherever a write ends, the record is not there, those before it are, and the journal takes the next one.
func TestDiskFullAtEveryByte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	write(t, path, story()[:3])
	j, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	disk := &faulty{File: j.f.(*os.File)}
	j.f = disk
	record := Record{Type: Note, Message: "does it fit?"}
	for room := range 100 {
		disk.room = room
		before := j.Records()
		got, err := j.Append(record)
		after, readErr := Read(path)
		if readErr != nil || after.Torn != 0 {
			t.Fatalf("room %d: %d torn, %v", room, after.Torn, readErr)
		}
		if err == nil {
			before = append(before, got)
		} else if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("room %d: %v", room, err)
		}
		if !reflect.DeepEqual(after.Records, before) {
			t.Fatalf("room %d: on disk %+v, want %+v", room, after.Records, before)
		}
	}
	if len(j.Records()) == 3 {
		t.Fatal("no record ever fitted")
	}
}

func TestAFailedSyncTakesTheRecordBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	write(t, path, story()[:3])
	j, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	disk := &faulty{File: j.f.(*os.File), room: 1 << 20, sync: syscall.EIO}
	j.f = disk
	if _, err := j.Append(Record{Type: Note}); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if after, err := Read(path); err != nil || len(after.Records) != 3 || after.Torn != 0 {
		t.Fatalf("%+v, %v", after, err)
	}
	if _, err := j.Append(Record{Type: Note}); err != nil {
		t.Fatal(err)
	}
	disk.sync, disk.cut = syscall.EIO, syscall.EIO
	if _, err := j.Append(Record{Type: Note}); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if _, err := j.Append(Record{Type: Note}); !errors.Is(err, ErrBroken) {
		t.Fatalf("nobody knows what the disk holds, yet: %v", err)
	}
	disk.cut = nil
	if _, err := j.Append(Record{Type: Note}); err != nil {
		t.Fatalf("the disk works again: %v", err)
	}
	if after, err := Read(path); err != nil || len(after.Records) != 5 || after.Torn != 0 {
		t.Fatalf("%+v, %v", after, err)
	}
}

func TestOnlyOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(path); !errors.Is(err, durable.ErrLocked) {
		t.Fatalf("second writer: %v", err)
	}
	if _, err := Read(path); err != nil {
		t.Fatalf("reader: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(Record{Type: Note}); !errors.Is(err, ErrBroken) {
		t.Fatalf("append to a closed journal: %v", err)
	}
}

const victim = "PROMOTE_TEST_JOURNAL"

// TestVictim appends until it is killed, and acknowledges each record in a second file.
func TestVictim(t *testing.T) {
	path := os.Getenv(victim)
	if path == "" {
		t.Skip("runs only as the child of TestKilledWhileWriting")
	}
	j, replay, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	acks, err := os.OpenFile(path+".acks", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(replay.Records); ; i++ {
		if _, err := j.Append(Record{Type: Intent, Step: fmt.Sprint(i), Message: strings.Repeat("x", i%5000)}); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintln(acks, i); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKilledWhileWriting(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "journal")
	var last int
	for range 6 {
		ctx, stop := context.WithTimeout(t.Context(), time.Duration(100+random.IntN(200))*time.Millisecond)
		out, err := process.Output(ctx, process.Command{
			Path: os.Args[0], Args: []string{"-test.run=^TestVictim$"}, Env: []string{victim + "=" + path},
		})
		died := ctx.Err() != nil
		stop()
		if !died {
			t.Fatalf("the child ended by itself: %v: %s", err, out)
		}
		acks, err := os.ReadFile(path + ".acks")
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		replay, err := Read(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // killed before it began
		}
		if err != nil {
			t.Fatal(err)
		}
		acked := strings.Count(string(acks), "\n")
		if len(replay.Records) < acked || len(replay.Records) > acked+1+last {
			t.Fatalf("%d records on disk, %d acknowledged", len(replay.Records), acked)
		}
		last = len(replay.Records) - acked // written and killed before it was acknowledged
	}
	replay, err := Read(path)
	if err != nil || len(replay.Records) == 0 {
		t.Fatalf("%d records, %v", len(replay.Records), err)
	}
	t.Logf("%d records", len(replay.Records))
}
