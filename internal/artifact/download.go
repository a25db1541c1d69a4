package artifact

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"
)

// List returns the artifacts of the run, newest first.
func (c *Client) List(ctx context.Context) ([]Artifact, error) { return c.list(ctx, "") }

func (c *Client) list(ctx context.Context, name string) ([]Artifact, error) {
	var reply listReply
	if _, err := c.call(ctx, "ListArtifacts", listRequest{ids: ids{c.run, c.job}, Name: name}, &reply); err != nil {
		if errors.Is(err, ErrNotFound) { // older servers say so of a run without artifacts
			return nil, nil
		}
		return nil, err
	}
	list := make([]Artifact, 0, len(reply.Artifacts))
	for _, a := range reply.Artifacts {
		if name != "" && a.Name != name {
			continue
		}
		list = append(list, Artifact{ID: int64(a.ID), Name: a.Name, Size: int64(a.Size), Digest: a.Digest, Created: a.Created, run: a.Run, job: a.Job})
	}
	slices.SortStableFunc(list, func(a, b Artifact) int { return b.Created.Compare(a.Created) })
	return list, nil
}

func (c *Client) find(ctx context.Context, name string) (Artifact, error) {
	list, err := c.list(ctx, name)
	if err != nil {
		return Artifact{}, err
	}
	if len(list) == 0 {
		return Artifact{}, fmt.Errorf("artifact: %q: %w", name, ErrNotFound)
	}
	return list[0], nil
}

// Delete removes the artifact of that name.
func (c *Client) Delete(ctx context.Context, name string) error {
	req := namedRequest{ids: ids{c.run, c.job}, Name: name}
	if a, err := c.find(ctx, name); err == nil && a.run != "" {
		req.ids = ids{a.run, a.job}
	}
	var reply deleteReply
	_, err := c.call(ctx, "DeleteArtifact", req, &reply)
	return err
}

// Download writes the artifact of that name to w: the file itself, taken out of its zip where it was kept in one. What was
// written counts only when the error is nil: the digest is compared at the end.
func (c *Client) Download(ctx context.Context, name string, w io.Writer) (Artifact, error) {
	a, err := c.find(ctx, name)
	if err != nil {
		return a, err
	}
	req := namedRequest{ids: ids{a.run, a.job}, Name: name}
	if a.run == "" {
		req.ids = ids{c.run, c.job}
	}
	var reply signedReply
	if _, err := c.call(ctx, "GetSignedArtifactURL", req, &reply); err != nil {
		return a, err
	}
	u, err := url.Parse(reply.URL)
	if err != nil || u.Host == "" {
		return a, errors.New("artifact: GetSignedArtifactURL: the service gave no address")
	}
	c.hide(u)
	zipped, err := Fetch(ctx, c.http, reply.URL, a.Digest, w)
	a.Zipped = zipped
	return a, err
}

const (
	fetchTries = 5
	fetchStall = 30 * time.Second
)

// Fetch reads an artifact from a signed address, goes on where a connection broke, compares the digest (empty: none is
// known) of the stored bytes, and writes the file to w; a zip is unpacked, and has to have one entry.
func Fetch(ctx context.Context, h *http.Client, address, digest string, w io.Writer) (zipped bool, err error) {
	// A zip says at its end what is in it, so it has to be kept; a file can pass through.
	keep, err := os.CreateTemp("", "promote-artifact-*")
	if err != nil {
		return false, fmt.Errorf("artifact: %w", err)
	}
	defer func() { _ = os.Remove(keep.Name()); _ = keep.Close() }()
	f := &fetch{http: h, address: address, to: keep, hash: sha256.New(), stall: fetchStall}
	if err := f.all(ctx); err != nil {
		return false, err
	}
	if sum := "sha256:" + hex.EncodeToString(f.hash.Sum(nil)); digest != "" && sum != digest {
		return false, fmt.Errorf("artifact: %w: its digest is %s, %s was expected", ErrDigest, sum, digest)
	}
	if archive, err := zip.NewReader(keep, f.size); err == nil && f.mime == zipMIME {
		return true, entry(archive, w)
	}
	if _, err := keep.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	_, err = io.Copy(w, keep)
	return false, err
}

// entry writes the one file of an archive.
func entry(archive *zip.Reader, w io.Writer) error {
	if len(archive.File) != 1 || archive.File[0].FileInfo().IsDir() {
		return fmt.Errorf("artifact: the archive has %d entries; a backup is one file", len(archive.File))
	}
	r, err := archive.File[0].Open()
	if err != nil {
		return fmt.Errorf("artifact: %w: %w", ErrDigest, err)
	}
	defer r.Close()
	if _, err := io.Copy(w, r); err != nil {
		return fmt.Errorf("artifact: unpack: %w", err)
	}
	return nil
}

// fetch is one download that survives broken connections.
type fetch struct {
	http    *http.Client
	address string
	to      io.Writer
	hash    hash.Hash
	size    int64
	total   int64
	mime    string
	stall   time.Duration
}

func (f *fetch) all(ctx context.Context) error {
	for n := 0; ; n++ {
		before := f.size
		err := f.some(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if f.size > before {
			n = 0
		}
		if n == fetchTries-1 || errors.Is(err, ErrExpired) || errors.Is(err, ErrNotFound) {
			return fmt.Errorf("artifact: download: %w", err)
		}
		if err := sleep(ctx, time.Second<<n); err != nil {
			return err
		}
	}
}

// some reads from where the last try ended.
func (f *fetch) some(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(f.stall, func() { cancel(ErrStalled) })
	defer idle.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.address, nil)
	if err != nil {
		return errors.New("the address cannot be used")
	}
	if f.size > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", f.size))
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return plain(ctx, err)
	}
	defer resp.Body.Close()
	if err := f.begin(resp); err != nil {
		return err
	}
	body := io.TeeReader(resp.Body, f.hash)
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
		idle.Reset(f.stall)
		f.size += int64(n)
		if n > 0 {
			if _, err := f.to.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return plain(ctx, err)
		}
	}
	if f.total >= 0 && f.size < f.total {
		return fmt.Errorf("ended after %d of %d bytes", f.size, f.total)
	}
	return nil
}

func (f *fetch) begin(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusOK && f.size == 0:
		f.total, f.mime = resp.ContentLength, resp.Header.Get("Content-Type")
		return nil
	case resp.StatusCode == http.StatusOK: // the server does not resume: skip what is there
		if _, err := io.CopyN(io.Discard, resp.Body, f.size); err != nil {
			return err
		}
		return nil
	case resp.StatusCode == http.StatusPartialContent && f.size > 0:
		return nil
	case resp.StatusCode == http.StatusForbidden:
		return ErrExpired
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return ErrNotFound
	}
	return fmt.Errorf("the store answered %d", resp.StatusCode)
}

// plain is the error without the signed address in it.
func plain(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), ErrStalled) {
		return ErrStalled
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
