package postgres

import (
	"hash"
	"io"
	"sync/atomic"
	"time"
)

// countingWriter counts and hashes what goes through. The count may be read meanwhile.
type countingWriter struct {
	w    io.Writer
	hash hash.Hash
	n    atomic.Int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n.Add(int64(n))
	c.hash.Write(p[:n])
	return n, err
}

// countingReader counts and hashes what is read.
type countingReader struct {
	r    io.Reader
	hash hash.Hash
	n    int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.hash.Write(p[:n])
	return n, err
}

// progressReader reports the bytes read, once a second and at the end.
type progressReader struct {
	r      io.Reader
	report func(n int64)
	n      int64
	last   time.Time
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	if now := time.Now(); err != nil || now.Sub(p.last) >= time.Second {
		p.last = now
		p.report(p.n)
	}
	return n, err
}

// onlyReader hides everything but Read, so that a copy uses the buffer it is given.
type onlyReader struct{ io.Reader }

// onlyWriter hides everything but Write.
type onlyWriter struct{ io.Writer }
