package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// ctxReader stops reading when its context ends. It cannot interrupt a read that blocks.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// checkedReader compares what was read with the manifest when it ends. It never gives more bytes than the manifest says.
type checkedReader struct {
	r    io.Reader
	c    io.Closer
	file File
	sum  hash.Hash
	n    int64
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	switch {
	case c.n > c.file.Size:
		return n - int(c.n-c.file.Size), &Damage{c.file.Path, "more bytes", fmt.Sprintf("%d", c.file.Size)}
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return n, decryptError(c.file.Path, err)
	case c.n != c.file.Size:
		return n, &Damage{c.file.Path, fmt.Sprintf("%d bytes", c.n), fmt.Sprintf("%d", c.file.Size)}
	}
	if sum := hex.EncodeToString(c.sum.Sum(nil)); sum != c.file.SHA256 {
		return n, &Damage{c.file.Path, "sha256 " + sum, c.file.SHA256}
	}
	return n, io.EOF
}

func (c *checkedReader) Close() error { return c.c.Close() }
