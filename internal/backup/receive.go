package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/org/promote-action/internal/durable"
)

// Options of Receive.
type Options struct {
	Recipients []age.Recipient   // encrypt for them; none: leave as it is
	Progress   func(bytes int64) // bytes of content received so far
}

// Receive copies a backup out of a tar stream into the folder parent/name. The stream holds one folder with the backup in it, or the
// backup's content alone. Files are written, and encrypted, as they come; the backup gets its name only when the manifest has
// come and everything is as it says. Temporary folders of killed predecessors in parent are removed. The stream's reader has to
// end by itself when ctx does.
func Receive(ctx context.Context, stream io.Reader, parent, name string, opt Options) (*Backup, error) {
	b, err := receive(ctx, stream, parent, name, opt)
	if err != nil {
		return nil, fmt.Errorf("receive %s: %w", name, err)
	}
	return b, nil
}

func receive(ctx context.Context, stream io.Reader, parent, name string, opt Options) (_ *Backup, err error) {
	if !namePattern.MatchString(name) {
		return nil, errors.New("a name like staging-backup-20260131-235959 was expected")
	}
	if err := durable.Mkdir(parent); err != nil {
		return nil, err
	}
	if err := sweep(parent); err != nil {
		return nil, err
	}
	w, err := Create(filepath.Join(parent, name))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Abort()) }()
	r := &receiver{w: w, opt: opt, files: map[string]File{}}
	if err := r.read(ctx, stream); err != nil {
		return nil, err
	}
	m, err := r.check()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(opt.Recipients) == 0 {
		w.describe(m.Files, "")
		return w.seal(r.manifest)
	}
	return r.sealEncrypted(m)
}

// receiver is one backup on its way in.
type receiver struct {
	w        *Writer
	opt      Options
	root     string // the folder that the stream's names begin with
	started  bool
	manifest []byte
	checksum []byte
	files    map[string]File // as they came, before encryption
	bytes    int64
}

func (r *receiver) read(ctx context.Context, stream io.Reader) error {
	archive := tar.NewReader(&ctxReader{ctx, stream})
	for {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w: the stream was cut", ErrDamaged)
		case err != nil:
			return err
		}
		if err := r.entry(header, archive); err != nil {
			return err
		}
	}
}

// entry takes one entry of the stream.
func (r *receiver) entry(header *tar.Header, content io.Reader) error {
	name, err := r.name(header)
	if err != nil || name == "" {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return checkPath(name)
	case tar.TypeReg:
	default:
		return fmt.Errorf("%w: %q in the stream is neither a file nor a folder", ErrDamaged, header.Name)
	}
	switch name {
	case manifestName:
		err = readOnce(&r.manifest, name, content)
	case checksumName:
		err = readOnce(&r.checksum, name, content)
	default:
		err = r.file(name, content)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &Damage{name, "a stream that was cut", fmt.Sprintf("%d bytes", header.Size)}
	}
	return err
}

// name is the entry's path within the backup, empty for the backup's own folder. Whatever leads elsewhere is refused.
func (r *receiver) name(header *tar.Header) (string, error) {
	if strings.HasPrefix(header.Name, "/") || !filepath.IsLocal(strings.TrimSuffix(header.Name, "/")) {
		return "", fmt.Errorf("%w: path %q in the stream leads out of the backup", ErrDamaged, header.Name)
	}
	name := path.Clean(header.Name)
	if !r.started {
		r.started = true
		if header.Typeflag == tar.TypeDir {
			r.root = name
			return "", nil
		}
	}
	if r.root == "" || r.root == "." {
		return name, nil
	}
	rel, ok := strings.CutPrefix(name, r.root+"/")
	if !ok {
		return "", fmt.Errorf("%w: path %q in the stream is not in folder %s", ErrDamaged, header.Name, r.root)
	}
	return rel, nil
}

func readOnce(to *[]byte, name string, content io.Reader) error {
	if *to != nil {
		return &Damage{name, "it twice", "it once"}
	}
	data, err := io.ReadAll(io.LimitReader(content, maxManifest+1))
	if err == nil && len(data) > maxManifest {
		err = &Damage{name, "more bytes", fmt.Sprintf("at most %d", maxManifest)}
	}
	*to = append([]byte{}, data...)
	return err
}

// file copies one file, encrypted when there are recipients.
func (r *receiver) file(name string, content io.Reader) error {
	if err := checkPath(name); err != nil {
		return err
	}
	sum := sha256.New()
	source := io.TeeReader(&progressReader{content, &r.bytes, r.opt.Progress}, sum)
	before := r.bytes
	if err := r.store(name, KindRecord, source); err != nil {
		return err
	}
	r.files[name] = File{Path: name, Size: r.bytes - before, SHA256: hex.EncodeToString(sum.Sum(nil))}
	return nil
}

func (r *receiver) store(name string, kind Kind, source io.Reader) error {
	if len(r.opt.Recipients) > 0 {
		name += encryptedSuffix
	}
	f, err := r.w.Add(name, kind)
	if err != nil {
		return err
	}
	to := io.Writer(f)
	var sealer io.WriteCloser
	if len(r.opt.Recipients) > 0 {
		if sealer, err = age.Encrypt(f, r.opt.Recipients...); err != nil {
			return errors.Join(err, f.Close())
		}
		to = sealer
	}
	_, err = io.Copy(to, source)
	if err == nil && sealer != nil {
		err = sealer.Close()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// check compares what came with the manifest that came with it.
func (r *receiver) check() (*Manifest, error) {
	if r.manifest == nil {
		return nil, &Damage{manifestName, "none in the stream", "the manifest"}
	}
	if want := checksumLine(r.manifest); string(r.checksum) != string(want) {
		return nil, &Damage{manifestName, "sha256 " + string(want[:64]), fmt.Sprintf("what %s says: %.64q", checksumName, r.checksum)}
	}
	m, err := parseManifest(r.manifest)
	if err != nil {
		return nil, err
	}
	if m.Encrypted && len(r.opt.Recipients) > 0 {
		return nil, fmt.Errorf("%w already: receive it without recipients", ErrEncrypted)
	}
	var problems []error
	for _, want := range m.Files {
		got, ok := r.files[want.Path]
		delete(r.files, want.Path)
		switch {
		case !ok:
			problems = append(problems, &Damage{want.Path, "nothing", fmt.Sprintf("%d bytes", want.Size)})
		case got.Size != want.Size:
			problems = append(problems, &Damage{want.Path, fmt.Sprintf("%d bytes", got.Size), fmt.Sprintf("%d", want.Size)})
		case got.SHA256 != want.SHA256:
			problems = append(problems, &Damage{want.Path, "sha256 " + got.SHA256, want.SHA256})
		}
	}
	for name := range r.files {
		problems = append(problems, &Damage{name, "a file", "nothing of that name"})
	}
	return m, joined(problems)
}

func (r *receiver) sealEncrypted(m *Manifest) (*Backup, error) {
	if err := r.store(originalName, KindRecord, strings.NewReader(string(r.manifest))); err != nil {
		return nil, err
	}
	r.w.describe(m.Files, encryptedSuffix)
	return r.w.Seal(redacted(m, nil, len(r.opt.Recipients)))
}

// progressReader counts what is read.
type progressReader struct {
	r        io.Reader
	n        *int64
	progress func(int64)
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	*p.n += int64(n)
	if n > 0 && p.progress != nil {
		p.progress(*p.n)
	}
	return n, err
}
