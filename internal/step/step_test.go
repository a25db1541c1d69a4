package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/org/promote-action/internal/promotion"
)

// memory is a restore point in memory.
type memory map[string][]byte

func (m memory) Write(name string, data []byte) error { m[name] = data; return nil }

func (m memory) Read(name string) ([]byte, error) {
	if data, ok := m[name]; ok {
		return data, nil
	}
	return nil, fs.ErrNotExist
}

func (m memory) Seal(context.Context) error    { return nil }
func (m memory) Discard(context.Context) error { clear(m); return nil }

// fakeServer is a database server that writes down what is asked of it.
type fakeServer struct {
	Database
	calls  []string
	now    Fingerprint
	exists map[string]bool
	fail   string
}

func (s *fakeServer) call(what string) error {
	s.calls = append(s.calls, what)
	if s.fail != "" && strings.HasPrefix(what, s.fail) {
		return errors.New("no")
	}
	return nil
}

func (s *fakeServer) Close(_ context.Context, db string) ([]string, error) {
	return []string{"1 of shop from 10.0.0.7, idle"}, s.call("close " + db)
}
func (s *fakeServer) Open(_ context.Context, db string) error { return s.call("open " + db) }
func (s *fakeServer) Fingerprint(context.Context, string, func(done, total int64)) (Fingerprint, error) {
	return s.now, s.call("fingerprint")
}

func (s *fakeServer) Clone(_ context.Context, db, as, _ string) (string, error) {
	return "file_copy", s.call("clone " + db + " as " + as)
}

func (s *fakeServer) Swap(_ context.Context, db, aside, in string) error {
	return s.call("swap " + in + " for " + db + ", aside " + aside)
}
func (s *fakeServer) Exists(_ context.Context, db string) (bool, error) { return s.exists[db], nil }
func (s *fakeServer) Drop(_ context.Context, db string) error           { return s.call("drop " + db) }

func (s *fakeServer) Dump(_ context.Context, db, _ string, _ func(done, total int64)) (Dump, error) {
	return Dump{Raw: 9, Size: 3, Tables: 1}, s.call("dump " + db)
}

func (s *fakeServer) Load(_ context.Context, _, into, _ string, _ func(done, total int64)) error {
	return s.call("load " + into)
}

type bench struct {
	*Target
	server  *fakeServer
	point   memory
	notes   []string
	proof   []promotion.ProofItem
	started map[string]bool
}

func newBench() *bench {
	b := &bench{server: &fakeServer{exists: map[string]bool{}}, point: memory{}, started: map[string]bool{}}
	b.Target = &Target{
		ID: "id", Databases: func(string) (Database, error) { return b.server, nil }, Point: b.point, Progress: func(int64, int64, string, string) {},
		Note: func(_, m string) { b.notes = append(b.notes, m) }, Prove: func(items ...promotion.ProofItem) { b.proof = append(b.proof, items...) },
		Check: func(promotion.Check) {}, Started: func(kind string) bool { return b.started[kind] },
	}
	return b
}

func printOf(schema string, rows int64, hash string) Fingerprint {
	return Fingerprint{Schema: schema, Objects: map[string]string{"table t": schema}, Tables: map[string]Table{"t": {Rows: rows, Hash: hash}}}
}

func TestCompare(t *testing.T) {
	missing := func(why string) Fingerprint {
		f := printOf("s", 1, "h")
		f.Tables["far"] = Table{Missing: why}
		return f
	}
	for name, test := range map[string]struct {
		want, got    Fingerprint
		schema, rows bool
		reason       string
	}{
		"equal":                 {printOf("s", 1, "h"), printOf("s", 1, "h"), true, true, ""},
		"nothing was read":      {Fingerprint{}, Fingerprint{}, false, false, "rows were not read"},
		"other schema":          {printOf("s", 1, "h"), printOf("x", 1, "h"), false, true, "table t differs"},
		"fewer rows":            {printOf("s", 2, "h"), printOf("s", 1, "h"), true, false, "t: 1 rows, were 2"},
		"other values":          {printOf("s", 1, "h"), printOf("s", 1, "x"), true, false, "t: 1 rows with other values"},
		"a table more":          {Fingerprint{Schema: "s", Tables: map[string]Table{}}, printOf("s", 0, ""), true, false, "t: was not there"},
		"a table less":          {printOf("s", 0, ""), Fingerprint{Schema: "s", Tables: map[string]Table{}}, true, false, "t: is gone"},
		"unreadable then, now":  {missing("foreign table"), missing("foreign table"), true, true, "far: not compared: foreign table"},
		"readable only then":    {missing(""), missing("no SELECT privilege"), true, false, "far: could not be read: no SELECT privilege"},
		"another reason now":    {missing("foreign table"), missing("no SELECT privilege"), true, false, "far: could not be read: foreign table"},
		"an empty table is one": {printOf("s", 0, ""), printOf("s", 0, ""), true, true, ""},
	} {
		items := Compare("shop", test.want, test.got)
		reasons := items[0].Reason + items[1].Reason
		if items[0].Equal != test.schema || items[1].Equal != test.rows || !strings.Contains(reasons, test.reason) || test.reason == "" && reasons != "" {
			t.Errorf("%s: %+v", name, items)
		}
		if _, rows := Unchanged(test.want, test.got); rows && test.reason != "" && test.schema {
			t.Errorf("%s: counts as unchanged", name)
		}
	}
	long := Fingerprint{Schema: "s", Tables: map[string]Table{}}
	for n := range 9 {
		long.Tables[fmt.Sprint(n)] = Table{}
	}
	if items := Compare("shop", long, Fingerprint{Schema: "s", Tables: map[string]Table{}}); !strings.HasSuffix(items[1].Reason, "and 4 more") {
		t.Error(items[1].Reason)
	}
}

// A stale materialized view is fresh after a dump was restored, which is told and is no difference; after a swap it is one.
func TestADumpMakesMaterializedViewsAnew(t *testing.T) {
	for _, c := range []struct {
		way     Way
		derived bool
		equal   bool
		reason  string
	}{
		{Load, true, true, "v: not compared: a materialized view"},
		{Load, false, false, "v: 3 rows, were 2"},
		{Clone, true, false, "v: 3 rows, were 2"},
	} {
		b := newBench()
		b.started["open-database"] = true
		view := func(rows int64) Fingerprint {
			f := printOf("s", 1, "h")
			f.Tables["v"] = Table{Rows: rows, Hash: fmt.Sprint(rows), Derived: c.derived}
			return f
		}
		printed := &FingerprintDatabase{Server: "db", Database: "shop"}
		b.server.now = view(2)
		if err := printed.Do(t.Context(), b.Target); err != nil {
			t.Fatal(err)
		}
		b.server.now = view(3)
		if err := (&CopyDatabase{Server: "db", Database: "shop", Way: c.way, As: "copy", Aside: "failed"}).Undo(t.Context(), b.Target); err != nil {
			t.Fatal(err)
		}
		err := printed.Undo(t.Context(), b.Target)
		if rows := b.proof[1]; (err == nil) != c.equal || rows.Equal != c.equal || !strings.Contains(rows.Reason, c.reason) {
			t.Errorf("%s, derived %t: %v, %+v", c.way, c.derived, err, rows)
		}
	}
}

func TestCopyDatabase(t *testing.T) {
	clone := &CopyDatabase{Server: "db", Database: "shop", Way: Clone, As: "copy", Aside: "failed"}
	load := &CopyDatabase{Server: "db", Database: "shop", Way: Load, As: "copy", Aside: "failed"}
	file := FingerprintFile("db", "shop")
	asBefore := []byte(`{"schema":"s","objects":{},"tables":{"t":{"rows":1,"hash":"h"}}}`)
	for name, test := range map[string]struct {
		step  *CopyDatabase
		undo  bool
		setup func(*bench)
		calls []string
		fails string
	}{
		"clone":                   {clone, false, nil, []string{"clone shop as copy"}, ""},
		"dump":                    {load, false, func(b *bench) { b.point[file] = asBefore }, []string{"open shop", "dump shop", "close shop", "fingerprint"}, ""},
		"written to meanwhile":    {load, false, func(b *bench) { b.point[file], b.server.now = asBefore, printOf("s", 2, "h") }, []string{"open shop", "dump shop", "close shop", "fingerprint"}, "written to while it was dumped"},
		"the dump fails":          {load, false, func(b *bench) { b.server.fail = "dump" }, []string{"open shop", "dump shop"}, "no"},
		"undo, nobody was let in": {clone, true, nil, []string{"drop copy"}, ""},
		"undo a clone":            {clone, true, func(b *bench) { b.started["open-database"] = true }, []string{"swap copy for shop, aside failed", "close shop"}, ""},
		"undo a dump, unchanged":  {load, true, func(b *bench) { b.started["open-database"], b.point[file] = true, asBefore }, []string{"fingerprint"}, ""},
		"undo a dump, changed": {load, true, func(b *bench) {
			b.started["open-database"], b.point[file], b.server.now = true, asBefore, printOf("s", 2, "h")
		}, []string{"fingerprint", "load copy", "swap copy for shop, aside failed", "close shop"}, ""},
		"undo a dump, cut off after the swap": {load, true, func(b *bench) {
			b.started["open-database"], b.server.exists["failed"] = true, true
		}, []string{"swap copy for shop, aside failed", "close shop"}, ""},
		"undo a dump of what cannot be read": {load, true, func(b *bench) {
			b.started["open-database"], b.point[file], b.server.fail = true, asBefore, "fingerprint"
		}, []string{"fingerprint", "load copy", "swap copy for shop, aside failed", "close shop"}, ""},
	} {
		b := newBench()
		b.server.now = printOf("s", 1, "h")
		if test.setup != nil {
			test.setup(b)
		}
		do := test.step.Do
		if test.undo {
			do = test.step.Undo
		}
		err := do(t.Context(), b.Target)
		if !reflect.DeepEqual(b.server.calls, test.calls) {
			t.Errorf("%s: %q", name, b.server.calls)
		}
		if (err != nil) != (test.fails != "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFingerprintDatabase(t *testing.T) {
	s := &FingerprintDatabase{Server: "db", Database: "shop"}
	b := newBench()
	if err := s.Undo(t.Context(), b.Target); err != nil || len(b.proof) != 0 {
		t.Errorf("never taken, nobody let in: %v, %v", err, b.proof)
	}
	b.started["open-database"] = true
	if err := s.Undo(t.Context(), b.Target); !errors.Is(err, ErrDiffers) || len(b.proof) != 1 || b.proof[0].Equal {
		t.Errorf("lost: %v, %v", err, b.proof)
	}
	b = newBench()
	b.server.now = printOf("s", 1, "h")
	b.server.now.Tables["far"] = Table{Missing: "foreign table"}
	for range 2 { // idempotent
		if err := s.Do(t.Context(), b.Target); err != nil {
			t.Fatal(err)
		}
		if err := s.Undo(t.Context(), b.Target); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.notes) == 0 || !strings.Contains(b.notes[0], "far") {
		t.Errorf("notes: %q", b.notes)
	}
	b.server.now = printOf("s", 2, "h")
	if err := s.Undo(t.Context(), b.Target); !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "t: 2 rows, were 1") {
		t.Error(err)
	}
}

func TestCloseAndOpenAreEachOthersUndo(t *testing.T) {
	b := newBench()
	c, o := &CloseDatabase{Server: "db", Database: "shop"}, &OpenDatabase{Server: "db", Database: "shop"}
	for _, do := range []func(context.Context, *Target) error{c.Do, o.Do, o.Undo, c.Undo} {
		if err := do(t.Context(), b.Target); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"close shop", "open shop", "close shop", "open shop"}; !reflect.DeepEqual(b.server.calls, want) {
		t.Errorf("%q", b.server.calls)
	}
	if len(b.notes) != 2 || !strings.Contains(b.notes[0], "10.0.0.7") {
		t.Errorf("%q", b.notes)
	}
}

// tree is volumes of one file each.
type tree struct{ live, copy string }

func (v *tree) Copy(context.Context, string, func(done, total int64)) (string, error) {
	v.copy = v.live
	return v.copy, nil
}

func (v *tree) Restore(context.Context, string, func(done, total int64)) error {
	v.live = v.copy
	return nil
}
func (v *tree) Digest(context.Context, string) (string, error) { return v.live, nil }

func TestCopyVolume(t *testing.T) {
	b, v := newBench(), &tree{live: "old"}
	b.Target.Volumes = v
	s := &CopyVolume{Volume: "uploads"}
	v.live, v.copy = "half", "h" // cut off: no digest was written
	if err := s.Undo(t.Context(), b.Target); err != nil || v.live != "half" || len(b.proof) != 0 {
		t.Errorf("an unfinished copy was put back: %v, %+v, %v", err, v, b.proof)
	}
	v.live = "old"
	if err := s.Do(t.Context(), b.Target); err != nil {
		t.Fatal(err)
	}
	v.live = "new"
	for range 2 {
		if err := s.Undo(t.Context(), b.Target); err != nil || v.live != "old" {
			t.Fatal(err, v)
		}
	}
	v.live, v.copy = "new", "damaged"
	if err := s.Undo(t.Context(), b.Target); !errors.Is(err, ErrDiffers) {
		t.Error(err)
	}
}

// stack writes down what is asked of it.
type stack struct {
	Stack
	calls []string
	equal bool
}

func (s *stack) Record(context.Context) ([]byte, error) { return []byte("record"), nil }
func (s *stack) Stop(_ context.Context, services []string, _ func(string)) ([]Stopped, error) {
	s.calls = append(s.calls, "stop "+strings.Join(services, " "))
	return []Stopped{{Container: "api-1", Killed: true}}, nil
}

func (s *stack) Discard(_ context.Context, record []byte, services []string, _ func(string)) error {
	s.calls = append(s.calls, fmt.Sprintf("discard %s by %s", strings.Join(services, " "), record))
	return nil
}

func (s *stack) Restore(_ context.Context, record []byte, services []string, _ func(string)) error {
	s.calls = append(s.calls, fmt.Sprintf("restore %s by %s", strings.Join(services, " "), record))
	return nil
}

func (s *stack) Compare(context.Context, []byte, []string) ([]promotion.ProofItem, error) {
	return []promotion.ProofItem{{Area: "images", Name: "api-1", Equal: s.equal, Reason: "it runs another image"}}, nil
}

func TestServicesComeBackByTheirRecord(t *testing.T) {
	b, s := newBench(), &stack{equal: true}
	b.Target.Stack = s
	stop, job, start := &StopServices{Services: []string{"web", "api"}}, &RunJob{Service: "migrate"}, &StartServices{Services: []string{"api"}, JobsDone: []string{"migrate"}}
	for _, undo := range []func(context.Context, *Target) error{stop.Undo, job.Undo, start.Undo} {
		if err := undo(t.Context(), b.Target); err == nil || !strings.Contains(err.Error(), "no record of the previous release") {
			t.Errorf("without a record: %v", err)
		}
	}
	if err := (&RecordRelease{}).Do(t.Context(), b.Target); err != nil {
		t.Fatal(err)
	}
	for _, do := range []func(context.Context, *Target) error{stop.Do, stop.Hold, start.Undo, job.Undo, stop.Undo} {
		if err := do(t.Context(), b.Target); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"stop web api", "stop web api", "discard api migrate by record", "discard migrate by record", "restore web api by record"}
	if !reflect.DeepEqual(s.calls, want) {
		t.Errorf("%q", s.calls)
	}
	if len(b.notes) == 0 || !strings.Contains(b.notes[0], "was killed after") {
		t.Errorf("%q", b.notes)
	}
	s.equal = false
	if err := stop.Undo(t.Context(), b.Target); !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "api-1") {
		t.Error(err)
	}
	b.started["stop-services"] = true
	b.point[RecordFile] = []byte("the one that counts")
	if err := (&RecordRelease{}).Do(t.Context(), b.Target); err != nil || string(b.point[RecordFile]) != "the one that counts" {
		t.Errorf("recorded again after the services were stopped: %v", err)
	}
}

type head struct {
	commit, branch string
	dirty          []string
}

func (h *head) Head(context.Context, string) (string, string, []string, error) {
	return h.commit, h.branch, h.dirty, nil
}

func (h *head) Move(_ context.Context, _, commit, branch string) error {
	h.commit, h.branch = commit, branch
	return nil
}

func TestMoveCheckout(t *testing.T) {
	b, h := newBench(), &head{commit: "old", branch: "main"}
	b.Target.Checkout = h
	s := &MoveCheckout{Path: "/srv", Commit: "new", PreviousCommit: "old", PreviousBranch: "main"}
	if err := s.Do(t.Context(), b.Target); err != nil || h.commit != "new" || h.branch != "" {
		t.Fatal(err, h)
	}
	for range 2 {
		if err := s.Undo(t.Context(), b.Target); err != nil || h.commit != "old" || h.branch != "main" {
			t.Fatal(err, h)
		}
	}
	h.dirty = []string{"config.yml"}
	if err := s.Check(t.Context(), b.Target); err == nil || !strings.Contains(err.Error(), "config.yml") {
		t.Error(err)
	}
	if err := s.Undo(t.Context(), b.Target); !errors.Is(err, ErrDiffers) {
		t.Error(err)
	}
}

func TestEveryStepDescribesItself(t *testing.T) {
	for kind, make := range kinds() {
		s := make()
		if line := s.Describe(); line == "" || strings.Contains(line, "\n") {
			t.Errorf("%s: %q", kind, line)
		}
		got, err := kindOf(s)
		if got != kind || err != nil {
			t.Errorf("%s is %s, %v", kind, got, err)
		}
		if strings.Contains(DescribeUndo(s), "\n") {
			t.Errorf("%s: %q", kind, DescribeUndo(s))
		}
	}
}

func TestWordsForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1 << 20: "1.0 MB", 5e9: "5.0 GB", 123e9: "123 GB", 7e12: "7.0 TB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	if got := list([]string{"a", "b", "c", "d", "e", "f", "g"}); got != "a, b, c, d, e and 2 more" {
		t.Error(got)
	}
}
