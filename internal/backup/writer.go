package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/org/promote-action/internal/durable"
)

// Writer writes one backup. Files may be added by several goroutines.
type Writer struct {
	dir  string
	lock *durable.Lock

	mu    sync.Mutex
	files map[string]File
	open  map[string]bool
	err   error // the first one of any file
	over  bool  // no more files
	gone  bool  // sealed or aborted: there is no temporary folder any more
}

// Create begins a backup that will be the folder dir, whose parent must exist. Until Seal it is dir.partial.
func Create(dir string) (*Writer, error) {
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("backup: %s: %w", dir, os.ErrExist)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("backup: %w", err)
	}
	l, err := lockPartial(dir)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return &Writer{dir: dir, lock: l, files: map[string]File{}, open: map[string]bool{}}, nil
}

func (w *Writer) partial() string { return w.dir + partialSuffix }

// Add begins the file at path, with slashes and below the backup's folder. It is in the backup once it was closed without an error.
func (w *Writer) Add(path string, kind Kind) (io.WriteCloser, error) {
	return w.AddMode(path, kind, 0o600)
}

// AddMode is Add for a file that is to be restored with the given permissions.
func (w *Writer) AddMode(path string, kind Kind, mode os.FileMode) (io.WriteCloser, error) {
	if err := checkPath(path); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if !kind.known() {
		return nil, fmt.Errorf("backup: %s: unknown kind %q", path, kind)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return nil, fmt.Errorf("backup: %s: the backup is closed", path)
	}
	if _, added := w.files[path]; added || w.open[path] {
		return nil, fmt.Errorf("backup: %s was added already", path)
	}
	f, err := w.create(path)
	if err != nil {
		return nil, w.failed(fmt.Errorf("backup: %w", err))
	}
	w.open[path] = true
	return &fileWriter{w: w, f: f, sum: sha256.New(), file: File{Path: path, Kind: kind, Mode: uint32(mode.Perm())}}, nil
}

func (w *Writer) create(path string) (*os.File, error) {
	at := filepath.Join(w.partial(), filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// failed keeps the first error; the caller holds mu.
func (w *Writer) failed(err error) error {
	if w.err == nil {
		w.err = err
	}
	return err
}

// fileWriter hashes and counts what goes into one file.
type fileWriter struct {
	w    *Writer
	f    *os.File
	sum  hash.Hash
	file File
	err  error
}

func (f *fileWriter) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	f.sum.Write(p[:n])
	f.file.Size += int64(n)
	if err != nil {
		f.err = fmt.Errorf("backup: %w", err)
	}
	return n, err
}

func (f *fileWriter) Close() error {
	err := f.err
	if err == nil {
		err = f.f.Sync()
	}
	if closed := f.f.Close(); err == nil {
		err = closed
	}
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	if !f.w.open[f.file.Path] {
		return fmt.Errorf("backup: %s: the backup or the file is closed", f.file.Path)
	}
	delete(f.w.open, f.file.Path)
	if err != nil {
		return f.w.failed(fmt.Errorf("backup: %s: %w", f.file.Path, err))
	}
	f.file.SHA256 = hex.EncodeToString(f.sum.Sum(nil))
	f.w.files[f.file.Path] = f.file
	return nil
}

// Files returns the files that are complete, sorted by path.
func (w *Writer) Files() []File {
	w.mu.Lock()
	defer w.mu.Unlock()
	files := make([]File, 0, len(w.files))
	for _, f := range w.files {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files
}

// describe gives the files the kinds and permissions of those listed, whose names lack the suffix.
func (w *Writer) describe(listed []File, suffix string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range listed {
		if f, ok := w.files[l.Path+suffix]; ok {
			f.Kind, f.Mode = l.Kind, l.Mode
			w.files[f.Path] = f
		}
	}
}

// Seal writes the manifest with the list of files, gives the backup its name, and makes all of it durable. Schema and Files of m are
// set here. When it fails, Abort is still to be called.
func (w *Writer) Seal(m Manifest) (*Backup, error) {
	m.Schema = Schema
	m.Files = w.Files()
	data, err := m.encode()
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return w.seal(data)
}

// seal is Seal for a manifest that is encoded already.
func (w *Writer) seal(data []byte) (*Backup, error) {
	m, err := parseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err := w.finish(m.Files); err != nil {
		return nil, err
	}
	if err := w.writeManifest(data); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	dirs := folders(m.Files)
	dirs["."] = true
	for dir := range dirs {
		if err := durable.SyncDir(filepath.Join(w.partial(), filepath.FromSlash(dir))); err != nil {
			return nil, fmt.Errorf("backup: %w", err)
		}
	}
	if err := w.rename(); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return &Backup{Dir: w.dir, Manifest: m, stored: m, raw: data, storedRaw: data}, nil
}

// finish ends the adding of files, when all are whole and exactly those that the manifest lists.
func (w *Writer) finish(listed []File) error {
	files := w.Files()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
		return errors.New("backup: the backup is closed")
	case w.err != nil:
		return w.err
	case len(w.open) > 0:
		for path := range w.open {
			return fmt.Errorf("backup: %s was not closed", path)
		}
	case !slices.Equal(files, listed):
		return fmt.Errorf("backup: %w", &Damage{manifestName, "a list of other files", "the files that were added"})
	}
	w.over = true
	return nil
}

func (w *Writer) writeManifest(data []byte) error {
	for name, content := range map[string][]byte{manifestName: data, checksumName: checksumLine(data)} {
		f, err := w.create(name)
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		if err == nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) rename() error {
	if err := durable.Rename(w.partial(), w.dir); err != nil {
		return err
	}
	w.gone = true
	return w.lock.Close()
}

// Abort removes what was written, unless it was sealed. It may be called at any time, also twice.
func (w *Writer) Abort() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	clear(w.open)
	if w.gone {
		return nil
	}
	w.gone = true
	if err := errors.Join(os.RemoveAll(w.partial()), w.lock.Close()); err != nil {
		return fmt.Errorf("backup: abort: %w", err)
	}
	return nil
}

// checksumLine is what sha256sum -c reads.
func checksumLine(data []byte) []byte {
	sum := sha256.Sum256(data)
	return []byte(hex.EncodeToString(sum[:]) + "  " + manifestName + "\n")
}
