package step

import (
	"context"
	"errors"
	"slices"
	"testing"
)

var errCut = errors.New("cut off")

// server is a database server of a few names, each with a content; an operation that is cut does its work and then fails.
type server struct {
	Database // what a test does not expect is a nil call
	content  map[string]string
	cut      string // operation to be cut off after its effect
	broken   bool   // the dump gives another content
	open     bool   // the live database is
}

func (s *server) ended(op string) error {
	if s.cut == op {
		s.cut = ""
		return errCut
	}
	return nil
}

func (s *server) Exists(_ context.Context, name string) (bool, error) {
	_, ok := s.content[name]
	return ok, nil
}

func (s *server) Load(_ context.Context, _, into, _ string, _ func(done, total int64)) error {
	s.content[into] = "from the backup"
	if s.broken {
		s.content[into] = "half of the backup"
	}
	return s.ended("load")
}

func (s *server) Fingerprint(_ context.Context, name string, _ func(done, total int64)) (Fingerprint, error) {
	return Fingerprint{Schema: "of " + s.content[name], Tables: map[string]Table{"public.orders": {Rows: 7}}}, s.ended("fingerprint")
}

func (s *server) Swap(_ context.Context, live, aside, in string) error {
	if _, there := s.content[in]; !there {
		return errors.New(in + " is not there")
	}
	if _, there := s.content[aside]; there {
		return errors.New(aside + " is there already")
	}
	s.content[aside], s.content[live] = s.content[live], s.content[in]
	delete(s.content, in)
	s.open = true
	return s.ended("swap")
}

func (s *server) Close(context.Context, string) ([]string, error) {
	s.open = false
	return nil, s.ended("close")
}

func (s *server) Drop(_ context.Context, name string) error {
	delete(s.content, name)
	return s.ended("drop")
}

func load(s *server) (*LoadDatabase, *Target) {
	return &LoadDatabase{
		Server: "db", Database: "shop", Backup: "b", File: "given/x.dump.zst", Schema: "of from the backup", Rows: map[string]int64{"public.orders": 7}, As: "as", Aside: "aside",
	}, &Target{
		ID: "1", Databases: func(string) (Database, error) { return s, nil }, Progress: func(int64, int64, string, string) {}, Note: func(string, string) {},
	}
}

func TestALoadThatIsCutAnywhereIsDoneOrUndoneFromThere(t *testing.T) {
	for _, cut := range []string{"", "load", "fingerprint", "swap"} {
		for _, again := range []bool{false, true} {
			s := &server{content: map[string]string{"shop": "live"}, cut: cut}
			step, target := load(s)
			err := step.Do(t.Context(), target)
			if (err != nil) != (cut != "") {
				t.Fatalf("cut in %q: %v", cut, err)
			}
			if again {
				if err := step.Do(t.Context(), target); err != nil {
					t.Fatalf("cut in %q, done again: %v", cut, err)
				}
				if s.content["shop"] != "from the backup" || s.content["aside"] != "live" || len(s.content) != 2 {
					t.Errorf("cut in %q, done again: %v", cut, s.content)
				}
			}
			for _, cut := range []string{"swap", "close", "drop", ""} { // the undoing is cut too
				s.cut = cut
				if err := step.Undo(t.Context(), target); err != nil && !errors.Is(err, errCut) {
					t.Fatalf("undo: %v", err)
				}
			}
			if s.content["shop"] != "live" || len(s.content) != 1 {
				t.Errorf("cut in %q, again %v, undone: %v", cut, again, s.content)
			}
			if s.open {
				t.Errorf("cut in %q, again %v, undone: the database is open before it is proved", cut, again)
			}
		}
	}
}

func TestALoadThatIsNotWhatTheBackupSaysIsNotSwappedIn(t *testing.T) {
	s := &server{content: map[string]string{"shop": "live"}, broken: true}
	step, target := load(s)
	if err := step.Do(t.Context(), target); err == nil || s.content["shop"] != "live" {
		t.Fatalf("error %v, live is %q", err, s.content["shop"])
	}
	if err := step.Undo(t.Context(), target); err != nil || len(s.content) != 1 {
		t.Fatalf("undo: %v, left %v", err, s.content)
	}
	s.broken = false
	step.Rows["public.orders"] = 8
	step.Rows["public.notes"] = 1
	if err := step.Do(t.Context(), target); err == nil || s.content["shop"] != "live" {
		t.Fatalf("rows differ: error %v, live is %q", err, s.content["shop"])
	}
}

func TestARetiredRestorePointLeavesTheLiveDatabaseAlone(t *testing.T) {
	s := &server{content: map[string]string{"shop": "from the backup", "aside": "live"}}
	step, _ := load(s)
	if err := step.Retire(t.Context(), s); err != nil || len(s.content) != 1 || s.content["shop"] == "" {
		t.Errorf("%v, left %v", err, s.content)
	}
}

// containers records what is asked of a stack.
type containers struct {
	Stack
	calls []string
}

func (c *containers) Stop(context.Context, []string, func(string)) ([]Stopped, error) {
	c.calls = append(c.calls, "stop")
	return nil, nil
}

func (c *containers) Discard(_ context.Context, record []byte, _ []string, _ func(string)) error {
	c.calls = append(c.calls, "discard all but "+string(record))
	return nil
}

func (c *containers) Restore(_ context.Context, record []byte, _ []string, _ func(string)) error {
	c.calls = append(c.calls, "restore "+string(record))
	return nil
}

// files is a restore point in memory.
type files struct {
	Point
	content map[string]string
}

func (f files) Read(name string) ([]byte, error) { return []byte(f.content[name]), nil }

func TestServicesStartFromTheRecordThatWasAskedFor(t *testing.T) {
	point := files{content: map[string]string{RecordFile: "present", GivenDir + "/" + RecordFile: "given"}}
	for _, tt := range []struct {
		record   string
		do, undo []string
	}{
		{"", []string{"restore present"}, []string{"stop"}},
		{GivenDir + "/" + RecordFile, []string{"discard all but given", "restore given"}, []string{"stop", "discard all but present"}},
	} {
		stack := &containers{}
		target := &Target{Stack: stack, Point: point, Progress: func(int64, int64, string, string) {}}
		step := &RestartServices{Services: []string{"web"}, Record: tt.record}
		if err := step.Do(t.Context(), target); err != nil || !slices.Equal(stack.calls, tt.do) {
			t.Errorf("%q: do: %v %q", tt.record, err, stack.calls)
		}
		stack.calls = nil
		if err := step.Undo(t.Context(), target); err != nil || !slices.Equal(stack.calls, tt.undo) {
			t.Errorf("%q: undo: %v %q", tt.record, err, stack.calls)
		}
	}
}
