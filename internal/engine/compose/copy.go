package compose

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/docker/docker/api/types/container"
)

// Archive is a file or folder on its way out of a container.
type Archive struct {
	*tar.Reader
	body io.Closer
}

// Close ends the transfer.
func (a *Archive) Close() error { return a.body.Close() }

// CopyFrom reads a file or folder out of a container, running or not; names begin with the last element of path.
func (e *Engine) CopyFrom(ctx context.Context, id, path string) (*Archive, error) {
	r, _, err := e.api.CopyFromContainer(ctx, id, path)
	if err != nil {
		return nil, notFound(fmt.Errorf("copy %s out of %s: %w", path, short(id), err))
	}
	return &Archive{Reader: tar.NewReader(r), body: r}, nil
}

// CopyFile writes one regular file of a container to w and returns its size.
func (e *Engine) CopyFile(ctx context.Context, id, path string, w io.Writer) (int64, error) {
	a, err := e.CopyFrom(ctx, id, path)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	for {
		h, err := a.Next()
		if errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("copy %s out of %s: not a regular file", path, short(id))
		}
		if err != nil {
			return 0, fmt.Errorf("copy %s out of %s: %w", path, short(id), err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		n, err := io.Copy(w, a)
		if err != nil {
			return n, fmt.Errorf("copy %s out of %s: %w", path, short(id), err)
		}
		return n, nil
	}
}

// CopyTo unpacks a tar archive into a folder of a container, which must exist. Owners are those of the archive.
func (e *Engine) CopyTo(ctx context.Context, id, folder string, archive io.Reader) error {
	err := e.api.CopyToContainer(ctx, id, folder, archive, container.CopyToContainerOptions{})
	if err != nil {
		return notFound(fmt.Errorf("copy to %s in %s: %w", folder, short(id), err))
	}
	return nil
}

// CopyRaw is the tar stream of a file or folder of a container, running or not.
func (e *Engine) CopyRaw(ctx context.Context, id, path string) (io.ReadCloser, error) {
	r, _, err := e.api.CopyFromContainer(ctx, id, path)
	if err != nil {
		return nil, notFound(fmt.Errorf("copy %s out of %s: %w", path, short(id), err))
	}
	return r, nil
}
