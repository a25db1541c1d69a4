package backup

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Send writes the backup as a tar stream that Receive reads, in a folder called root, or without one when root is empty. One that
// was unlocked is sent decrypted, with its original manifest. Every file is checked on its way; after an error the stream is
// without its end, and no receiver accepts it.
func (b *Backup) Send(ctx context.Context, to io.Writer, root string) error {
	if err := b.send(ctx, to, root); err != nil {
		return fmt.Errorf("%s: send: %w", b.Dir, err)
	}
	return nil
}

func (b *Backup) send(ctx context.Context, to io.Writer, root string) error {
	archive := tar.NewWriter(to)
	prefix := ""
	if root != "" {
		if err := checkPath(root); err != nil {
			return err
		}
		prefix = root + "/"
		if err := archive.WriteHeader(b.header(prefix, tar.TypeDir, 0, 0o700)); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{manifestName, b.raw}, {checksumName, checksumLine(b.raw)}} {
		if err := archive.WriteHeader(b.header(prefix+f.name, tar.TypeReg, int64(len(f.data)), 0o600)); err != nil {
			return err
		}
		if _, err := archive.Write(f.data); err != nil {
			return err
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(folders(b.Manifest.Files))) {
		if err := archive.WriteHeader(b.header(prefix+dir+"/", tar.TypeDir, 0, 0o700)); err != nil {
			return err
		}
	}
	for _, f := range b.Manifest.Files {
		if err := archive.WriteHeader(b.header(prefix+f.Path, tar.TypeReg, f.Size, 0o600)); err != nil {
			return err
		}
		if err := b.sendFile(ctx, archive, f); err != nil {
			return err
		}
	}
	return archive.Close()
}

func (b *Backup) header(name string, kind byte, size int64, mode int64) *tar.Header {
	return &tar.Header{Name: name, Typeflag: kind, Size: size, Mode: mode, ModTime: b.Manifest.TakenAt.Truncate(time.Second), Format: tar.FormatPAX}
}

func (b *Backup) sendFile(ctx context.Context, to io.Writer, f File) error {
	r, err := b.openFile(f)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, &ctxReader{ctx, r})
	return errors.Join(err, r.Close())
}
