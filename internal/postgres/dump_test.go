package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/org/promote-action/internal/testkit"
)

// recorder keeps the arguments that programs were given.
type recorder struct {
	LocalTools
	seen []Tool
}

func (r *recorder) Run(ctx context.Context, t Tool) error {
	r.seen = append(r.seen, t)
	return r.LocalTools.Run(ctx, t)
}

func clientOf(t *testing.T, user string) Client {
	t.Helper()
	return Client{Tools: LocalTools{Bin: testkit.Postgres(t).Bin, Work: t.TempDir()}, Conn: connOf(t, user)}
}

func emptyDir(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v, %v", dir, left, err)
	}
}

func TestDumpAndRestore(t *testing.T) {
	s := open(t)
	const db = `dump "tést' \`
	makeRole(t, "dump_owner", "")
	makeDatabase(t, db, "OWNER dump_owner CONNECTION LIMIT 20", everything...)
	run(t, db, "ALTER TABLE public.orders OWNER TO dump_owner", "ALTER DATABASE "+ident(db)+" SET search_path TO public, \"$user\"", "ALTER DATABASE "+ident(db)+" SET default_transaction_read_only = on",
		"COMMENT ON DATABASE "+ident(db)+" IS 'c'", "GRANT CREATE ON DATABASE "+ident(db)+" TO dump_owner")
	tools := &recorder{LocalTools: LocalTools{Bin: testkit.Postgres(t).Bin, Work: t.TempDir()}}
	c := Client{Tools: tools, Conn: connOf(t, "postgres")}
	c.Conn.Password = `s3cret:\`
	snap, err := s.Snapshot(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.RowFingerprints(t.Context(), db, RowOptions{Snapshot: snap.ID, Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	schema, err := s.SchemaFingerprint(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	run(t, db, "SET default_transaction_read_only = off", "INSERT INTO public.log VALUES ('after the snapshot', 1)")
	var out bytes.Buffer
	info, err := s.Dump(t.Context(), c, db, &out, DumpOptions{Snapshot: snap.ID})
	if err != nil {
		t.Fatal(err)
	}
	snap.Close()
	if info.Bytes != int64(out.Len()) || info.RawBytes <= info.Bytes || fmt.Sprint(info.Roles) != "[dump_owner postgres]" || info.LargeObjects != 3 {
		t.Errorf("%+v", info)
	}
	check, err := VerifyDump(t.Context(), tools, bytes.NewReader(out.Bytes()), info)
	if err != nil || check.TableData == 0 {
		t.Fatalf("%+v, %v", check, err)
	}
	for jobs := range 3 {
		into := CopyName(db, "restored", fmt.Sprint(jobs))
		r, err := s.Restore(t.Context(), c, bytes.NewReader(out.Bytes()), into, RestoreOptions{Info: info, ID: "1", Jobs: jobs})
		if err != nil || len(r.Warnings) > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		got, err := s.SchemaFingerprint(t.Context(), into)
		if err != nil || got.Hash != schema.Hash {
			t.Errorf("%d jobs: %q, %v", jobs, DiffSchema(schema, got), err)
		}
		gotRows, err := s.RowFingerprints(t.Context(), into, RowOptions{Exact: true})
		if err != nil || gotRows.Hash != rows.Hash {
			t.Errorf("%d jobs: %q, %v", jobs, DiffRows(rows, gotRows), err)
		}
	}
	if err := s.Swap(t.Context(), db, CopyName(db, "failed", "1"), CopyName(db, "restored", "2")); err != nil {
		t.Fatal(err)
	}
	if n := value(t, db, "SELECT reltuples > 0 FROM pg_catalog.pg_class WHERE relname = 'orders'"); n != "true" {
		t.Error("the restored database has no statistics")
	}
	for _, tool := range tools.seen {
		if strings.Contains(fmt.Sprint(tool), "s3cret") {
			t.Errorf("the password is in %v", tool)
		}
	}
	emptyDir(t, tools.Work)
}

func TestDamagedDumpsAreRefused(t *testing.T) {
	s := open(t)
	makeDatabase(t, "damage_test", "", everything...)
	makeDatabase(t, "damage_other", "", "CREATE TABLE a (b int)")
	c := clientOf(t, "postgres")
	dump := func(db string) ([]byte, DumpInfo) {
		var b bytes.Buffer
		info, err := s.Dump(t.Context(), c, db, &b, DumpOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes(), info
	}
	good, info := dump("damage_test")
	other, _ := dump("damage_other")
	if _, err := VerifyDump(t.Context(), c.Tools, bytes.NewReader(good), DumpInfo{}); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	n := len(good)
	cases := map[string][]byte{"empty": {}, "trailing bytes": append(bytes.Clone(good), "x"...), "not compressed": raw(t, good), "text": []byte("hello")}
	for _, at := range []int{1, 4, 12, n / 3, n / 2, n - 5, n - 1, 1 + r.IntN(n-1)} {
		cases[fmt.Sprintf("cut at %d of %d", at, n)] = good[:at]
		altered := bytes.Clone(good)
		altered[at] ^= 1 << r.IntN(8)
		cases[fmt.Sprintf("altered at %d of %d", at, n)] = altered
	}
	// Damage that zstd cannot see: made before the compression.
	inner := raw(t, good)
	for _, at := range []int{0, 10, len(inner) / 2, len(inner) * 9 / 10, len(inner) - 3} {
		var b bytes.Buffer
		if err := compress(&b, bytes.NewReader(inner[:at])); err != nil {
			t.Fatal(err)
		}
		cases[fmt.Sprintf("archive cut at %d of %d", at, len(inner))] = b.Bytes()
	}
	// Another value, as well-formed as the first: only the checksum can tell.
	forged := bytes.Replace(inner, []byte("c250@example.org"), []byte("c251@example.org"), 1)
	var b bytes.Buffer
	if err := compress(&b, bytes.NewReader(forged)); err != nil || bytes.Equal(forged, inner) {
		t.Fatal(err, "nothing was replaced")
	}
	padded := info
	padded.Bytes = int64(b.Len())
	if _, err := VerifyDump(t.Context(), c.Tools, &b, padded); !errors.Is(err, ErrDamaged) {
		t.Errorf("forged: %v", err)
	}
	for name, dump := range cases {
		if _, err := VerifyDump(t.Context(), c.Tools, bytes.NewReader(dump), info); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasPrefix(name, "altered") {
			continue // zstd reads some bits as a matter of taste; the checksum in the manifest is what tells
		}
		if _, err := VerifyDump(t.Context(), c.Tools, bytes.NewReader(dump), DumpInfo{}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s, nothing known about it: %v", name, err)
		}
	}
	if _, err := VerifyDump(t.Context(), c.Tools, bytes.NewReader(other), info); !errors.Is(err, ErrDamaged) {
		t.Errorf("another dump: %v", err)
	}
	into := CopyName("damage_test", "restored", "1")
	for _, jobs := range []int{1, 2} {
		if _, err := s.Restore(t.Context(), c, bytes.NewReader(good[:n/2]), into, RestoreOptions{Info: info, ID: "1", Jobs: jobs}); err == nil {
			t.Error("half a dump was restored")
		}
		if there, err := s.Exists(t.Context(), into); there || err != nil {
			t.Errorf("half a restore is left: %t, %v", there, err)
		}
	}
	emptyDir(t, c.Tools.Dir())
}

func raw(t *testing.T, dump []byte) []byte {
	t.Helper()
	dec, err := zstd.NewReader(bytes.NewReader(dump))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	b, err := io.ReadAll(dec)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type failingWriter struct{ left int }

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestDumpFailures(t *testing.T) {
	s := open(t)
	makeRole(t, "no_reader", "")
	makeDatabase(t, "fail_test", "", "CREATE TABLE big AS SELECT i, md5(i::text) m FROM generate_series(1, 100000) i")
	c := clientOf(t, "postgres")
	started := time.Now()
	_, err := s.Dump(t.Context(), c, "fail_test", &failingWriter{left: 100 << 10}, DumpOptions{})
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("full disk: %v", err)
	}
	_, err = s.Dump(t.Context(), Client{Tools: LocalTools{Bin: "/nowhere", Work: c.Tools.Dir()}, Conn: c.Conn}, "fail_test", io.Discard, DumpOptions{})
	if err == nil || !strings.Contains(err.Error(), "pg_dump") {
		t.Errorf("no program: %v", err)
	}
	_, err = openAs(t, "no_reader").Dump(t.Context(), Client{Tools: c.Tools, Conn: connOf(t, "no_reader")}, "fail_test", io.Discard, DumpOptions{})
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("no right: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = s.Dump(ctx, c, "fail_test", writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }), DumpOptions{})
	if err == nil {
		t.Error("a canceled dump is complete")
	}
	if _, err := s.Dump(t.Context(), c, "no such", io.Discard, DumpOptions{}); !errors.Is(err, ErrNoDatabase) {
		t.Errorf("no database: %v", err)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("failures took %s", took)
	}
	var b bytes.Buffer
	info, err := s.Dump(t.Context(), c, "fail_test", &b, DumpOptions{})
	if err != nil {
		t.Fatal(err)
	}
	info.Roles = append(info.Roles, "someone else")
	into := CopyName("fail_test", "restored", "1")
	if _, err := s.Restore(t.Context(), c, &b, into, RestoreOptions{Info: info}); !errors.Is(err, ErrMissingRoles) || !strings.Contains(err.Error(), `CREATE ROLE "someone else"`) {
		t.Errorf("missing role: %v", err)
	}
	emptyDir(t, c.Tools.Dir())
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestWorkspaceOfADeadProcessGoes(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, workPrefix+"dead")
	if err := os.Mkdir(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	first, err := newWorkspace(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer first.remove()
	second, err := newWorkspace(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer second.remove()
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Error("the dead one's directory is left")
	}
	if _, err := os.Stat(first.dir); err != nil {
		t.Error("a living one's directory was removed")
	}
}
