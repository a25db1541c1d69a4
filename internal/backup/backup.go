package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"filippo.io/age"
)

// Backup is a sealed backup.
type Backup struct {
	Dir      string
	Manifest *Manifest // after Unlock the one before encryption

	stored     *Manifest // as it lies in the folder
	storedRaw  []byte
	raw        []byte // Manifest as it was encoded
	identities []age.Identity
}

// Open reads and checks the manifest of the backup at dir; Verify checks the rest.
func Open(dir string) (*Backup, error) {
	b, err := open(filepath.Clean(dir))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return b, nil
}

func open(dir string) (*Backup, error) {
	if strings.HasSuffix(dir, partialSuffix) {
		return nil, fmt.Errorf("%w: it is not complete: its writer works on it, or was killed", ErrNotBackup)
	}
	data, err := readSmall(filepath.Join(dir, manifestName))
	if errors.Is(err, os.ErrNotExist) {
		if _, lost := os.Lstat(filepath.Join(dir, checksumName)); lost == nil {
			return nil, &Damage{manifestName, "nothing", "the manifest"}
		}
		if _, missing := os.Stat(dir); missing != nil {
			return nil, missing
		}
		return nil, fmt.Errorf("%w: no %s in it", ErrNotBackup, manifestName)
	}
	if err != nil {
		return nil, err
	}
	line, err := readSmall(filepath.Join(dir, checksumName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, &Damage{checksumName, "nothing", "the checksum of " + manifestName}
	}
	if err != nil {
		return nil, err
	}
	if want := checksumLine(data); !bytes.Equal(line, want) {
		return nil, &Damage{manifestName, "sha256 " + string(want[:64]), fmt.Sprintf("what %s says: %.64q", checksumName, line)}
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	return &Backup{Dir: dir, Manifest: m, stored: m, raw: data, storedRaw: data}, nil
}

// readSmall reads a regular file of at most maxManifest bytes.
func readSmall(path string) ([]byte, error) {
	f, info, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > maxManifest {
		return nil, &Damage{filepath.Base(path), fmt.Sprintf("%d bytes", info.Size()), fmt.Sprintf("at most %d", maxManifest)}
	}
	return io.ReadAll(f)
}

// openRegular opens a file that is neither a link nor anything that could block.
func openRegular(path string) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) {
		return nil, nil, &Damage{filepath.Base(path), "a link or a device", "a file"}
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &Damage{filepath.Base(path), describe(info.Mode()), "a file"}
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func describe(mode os.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a file"
	case mode.IsDir():
		return "a folder"
	case mode&os.ModeSymlink != 0:
		return "a symbolic link"
	default:
		return "a special file"
	}
}

// For refuses a backup of another environment or project; an empty project is not compared.
func (b *Backup) For(environment, project string) error {
	m := b.stored
	if m.Environment == environment && (project == "" || m.Project == project) {
		return nil
	}
	return fmt.Errorf("%s: %w: found %s (project %s), expected %s (project %s)", b.Dir, ErrOtherEnvironment,
		m.Environment, m.Project, environment, project)
}

// Encrypted reports whether the files lie encrypted in the folder.
func (b *Backup) Encrypted() bool { return b.stored.Encrypted }

// OpenFile opens the file at path for reading, decrypted. At its end the reader returns a Damage instead of io.EOF when size or
// checksum differ from the manifest: only what was read to the end is known to be whole. An encrypted backup that was not
// unlocked is ErrEncrypted.
func (b *Backup) OpenFile(path string) (io.ReadCloser, error) {
	if b.Encrypted() && b.Manifest == b.stored {
		return nil, fmt.Errorf("%s: %w: an identity of one of its %d recipients is needed", b.Dir, ErrEncrypted, b.stored.Recipients)
	}
	file, ok := b.Manifest.File(path)
	if !ok {
		return nil, fmt.Errorf("%s: %s: %w", b.Dir, path, os.ErrNotExist)
	}
	r, err := b.openFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Dir, err)
	}
	return r, nil
}

// openFile opens a file of Manifest: as it is stored, or decrypted once the backup is unlocked.
func (b *Backup) openFile(file File) (io.ReadCloser, error) {
	name := file.Path
	if b.Manifest != b.stored {
		name = b.stored.stored(name)
	}
	f, err := b.openStored(name)
	if err != nil {
		return nil, err
	}
	if b.Manifest == b.stored {
		return &checkedReader{r: f, c: f, file: file, sum: sha256.New()}, nil
	}
	plain, err := age.Decrypt(f, b.identities...)
	if err != nil {
		_ = f.Close()
		return nil, decryptError(file.Path, err)
	}
	return &checkedReader{r: plain, c: f, file: file, sum: sha256.New()}, nil
}

// openStored opens a file of the folder, without leaving the folder by a link on the way.
func (b *Backup) openStored(path string) (*os.File, error) {
	root, err := os.OpenRoot(b.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name := filepath.FromSlash(path)
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &Damage{path, "nothing", "a file"}
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &Damage{path, describe(info.Mode()), "a file"}
	}
	return root.Open(name)
}

// Verify reads the whole backup: the manifest is what it was, every file is there with its size and checksum, and there is nothing
// else. When it was unlocked, every file is decrypted as well. All problems are returned, at most maxProblems of them.
func (b *Backup) Verify(ctx context.Context) error {
	if err := b.verify(ctx); err != nil {
		return fmt.Errorf("%s: %w", b.Dir, err)
	}
	return nil
}

func (b *Backup) verify(ctx context.Context) error {
	now, err := open(b.Dir)
	if err != nil {
		return err
	}
	if !bytes.Equal(now.storedRaw, b.storedRaw) {
		return &Damage{manifestName, "another manifest", "the one that was there when the backup was opened"}
	}
	problems := inspect(ctx, b.Dir, now.stored, true)
	if len(problems) == 0 && b.Manifest != b.stored {
		for _, file := range b.Manifest.Files {
			if err := b.decrypts(ctx, file); err != nil {
				problems = append(problems, err)
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return joined(problems)
}

func (b *Backup) decrypts(ctx context.Context, file File) error {
	r, err := b.openFile(file)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, &ctxReader{ctx, r}); err != nil {
		return decryptError(file.Path, err)
	}
	return nil
}

// sumOf is the checksum and size of what r gives.
func sumOf(r io.Reader) (string, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), n, err
}
