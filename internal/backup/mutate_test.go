package backup

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// mutation changes a backup on disk and says how; empty when it changed nothing.
type mutation func(r *rand.Rand, dir string, files []string) (string, error)

var mutations = []mutation{
	func(r *rand.Rand, _ string, files []string) (string, error) { // flip a bit
		path := pick(r, files)
		data, err := os.ReadFile(path)
		if err != nil || len(data) == 0 {
			return "", err
		}
		at := r.IntN(len(data))
		data[at] ^= 1 << r.IntN(8)
		return fmt.Sprintf("flip %s at %d", path, at), os.WriteFile(path, data, 0o600)
	},
	func(r *rand.Rand, _ string, files []string) (string, error) { // cut
		path := pick(r, files)
		info, err := os.Stat(path)
		if err != nil || info.Size() == 0 {
			return "", err
		}
		to := r.Int64N(info.Size())
		return fmt.Sprintf("cut %s to %d", path, to), os.Truncate(path, to)
	},
	func(r *rand.Rand, _ string, files []string) (string, error) { // grow
		path := pick(r, files)
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		return "grow " + path, os.WriteFile(path, append(data, byte(r.IntN(256))), 0o600)
	},
	func(r *rand.Rand, _ string, files []string) (string, error) { // drop or repeat a piece
		path := pick(r, files)
		data, err := os.ReadFile(path)
		if err != nil || len(data) < 2 {
			return "", err
		}
		at := r.IntN(len(data) - 1)
		if r.IntN(2) == 0 {
			data = append(data[:at:at], data[at+1:]...)
		} else {
			data = append(data[:at+1:at+1], data[at:]...)
		}
		return fmt.Sprintf("shift %s at %d", path, at), os.WriteFile(path, data, 0o600)
	},
	func(r *rand.Rand, _ string, files []string) (string, error) {
		path := pick(r, files)
		return "remove " + path, os.Remove(path)
	},
	func(r *rand.Rand, _ string, files []string) (string, error) { // swap two files
		a, b := pick(r, files), pick(r, files)
		if a == b {
			return "", nil
		}
		for _, move := range [][2]string{{a, a + "~"}, {b, a}, {a + "~", b}} {
			if err := os.Rename(move[0], move[1]); err != nil {
				return "", err
			}
		}
		return "swap " + a + " and " + b, nil
	},
	func(r *rand.Rand, _ string, files []string) (string, error) {
		path := pick(r, files)
		return "rename " + path, os.Rename(path, path+"2")
	},
	func(r *rand.Rand, _ string, files []string) (string, error) {
		path := filepath.Join(filepath.Dir(pick(r, files)), fmt.Sprintf("extra%d", r.IntN(10)))
		return "add " + path, os.WriteFile(path, []byte("x"), 0o600)
	},
	func(r *rand.Rand, _ string, files []string) (string, error) {
		path := filepath.Join(filepath.Dir(pick(r, files)), "extra-folder")
		return "add " + path, os.Mkdir(path, 0o700)
	},
	func(r *rand.Rand, dir string, files []string) (string, error) { // the same content behind a link
		path := pick(r, files)
		away := filepath.Join(filepath.Dir(dir), "away")
		if err := os.Rename(path, away); err != nil {
			return "", err
		}
		return "link " + path, os.Symlink(away, path)
	},
	func(r *rand.Rand, dir string, _ []string) (string, error) { // a folder behind a link
		name := pick(r, []string{"databases", "model", "configuration"})
		away := filepath.Join(filepath.Dir(dir), "away-folder")
		if err := os.Rename(filepath.Join(dir, name), away); err != nil {
			return "", err
		}
		return "link " + name, os.Symlink(away, filepath.Join(dir, name))
	},
	func(r *rand.Rand, _ string, files []string) (string, error) { // a folder in a file's place
		path := pick(r, files)
		if err := os.Remove(path); err != nil {
			return "", err
		}
		return "folder " + path, os.Mkdir(path, 0o700)
	},
}

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

// No changed backup passes, neither as a person left it nor with a key at hand.
func TestNoMutationIsAccepted(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	key := newKey(t)
	root := t.TempDir()
	plain := makeBackup(t, root, "staging", taken)
	sealed := receiveEncrypted(t, plain, filepath.Join(root, "sealed"), key)
	done := 0
	for i := 0; done < 300; i++ {
		source, identity := plain, i%2 == 1
		if identity {
			source = sealed
		}
		work := filepath.Join(root, "work")
		dir := filepath.Join(work, filepath.Base(source.Dir))
		if err := os.CopyFS(dir, os.DirFS(source.Dir)); err != nil {
			t.Fatal(err)
		}
		var files []string
		if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files = append(files, path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		before, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if identity {
			if err := before.Unlock(key); err != nil {
				t.Fatal(err)
			}
		}
		what, err := mutations[i/2%len(mutations)](r, dir, files)
		if err != nil {
			t.Fatal(err)
		}
		if what != "" {
			done++
			if before.Verify(t.Context()) == nil {
				t.Fatalf("%s: the backup that was open before is accepted", what)
			}
			if b, err := Open(dir); err == nil && b.Verify(t.Context()) == nil {
				t.Fatalf("%s: accepted", what)
			}
		} else if err := before.Verify(t.Context()); err != nil {
			t.Fatalf("unchanged, and yet: %v", err)
		}
		if err := os.RemoveAll(work); err != nil {
			t.Fatal(err)
		}
	}
}
