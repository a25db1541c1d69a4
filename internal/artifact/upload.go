package artifact

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"
)

const (
	blockSize   = 8 << 20
	parallel    = 4 // blocks under way, which with one being filled is 40 MiB of memory
	blockTries  = 5
	maxBlocks   = 50_000 // of a blob
	rawMIME     = "application/octet-stream"
	zipMIME     = "application/zip"
	rawVersion  = 7 // one file as it is
	zipVersion  = 4 // a zip
	deleteGrace = 30 * time.Second
)

// UploadOptions say how an artifact is kept.
type UploadOptions struct {
	Retention time.Duration // 0: the repository's own
	Progress  func(done int64)
}

// Upload keeps what r yields as one artifact of the run, under name: the file itself where the service takes it so, else
// a zip with it as its only entry. It returns when the service holds the bytes and has been asked for their digest. An
// artifact that was begun and not ended is removed again.
func (c *Client) Upload(ctx context.Context, name string, r io.Reader, o UploadOptions) (Artifact, error) {
	if err := CheckName(name); err != nil {
		return Artifact{}, err
	}
	to, err := c.create(ctx, name, o)
	if err != nil {
		return Artifact{}, err
	}
	a, err := c.fill(ctx, to, name, r, o)
	if err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteGrace)
		defer cancel()
		if left := c.Delete(clean, name); left != nil && !errors.Is(left, ErrNotFound) {
			err = errors.Join(err, fmt.Errorf("the unfinished artifact %s stays: %w", name, left))
		}
		return Artifact{}, err
	}
	return a, nil
}

// target is where an upload goes, and in which dialect.
type target struct {
	url     string
	zipped  bool
	inOrder bool // the server puts blocks together in the order in which they come
}

// create announces the artifact, first as a file; a service that refuses that is asked for a zip.
func (c *Client) create(ctx context.Context, name string, o UploadOptions) (target, error) {
	req := createRequest{ids: ids{c.run, c.job}, Name: name, Version: rawVersion, MIME: rawMIME}
	if o.Retention > 0 {
		at := c.now().Add(o.Retention).UTC().Truncate(time.Second)
		req.Expires = &at
	}
	t := target{}
	var reply createReply
	retried, err := c.announce(ctx, req, &reply)
	if refusesFiles(err) {
		req.Version, req.MIME, t.zipped = zipVersion, "", true
		lost := retried
		retried, err = c.announce(ctx, req, &reply)
		retried = retried || lost
	}
	if errors.Is(err, ErrTaken) && retried { // the answer to our own request was lost
		if err := c.Delete(ctx, name); err != nil {
			return t, err
		}
		_, err = c.announce(ctx, req, &reply)
	}
	if err != nil {
		return t, err
	}
	if !reply.OK || reply.URL == "" {
		return t, errors.New("artifact: CreateArtifact: the service gave no address to upload to")
	}
	u, err := url.Parse(reply.URL)
	if err != nil || u.Host == "" {
		return t, errors.New("artifact: CreateArtifact: the service gave no address to upload to")
	}
	c.hide(u)
	t.url = reply.URL
	t.inOrder = u.Query().Has("artifactName") || u.Query().Has("artifactID") || u.Query().Has("taskID") // act and Gitea sign so
	return t, nil
}

// announce is CreateArtifact. As a file it is tried once before the tries of call, because a refusal can look like a
// breakdown. Retried is true when an earlier try may have been carried out.
func (c *Client) announce(ctx context.Context, req createRequest, reply *createReply) (retried bool, err error) {
	if req.Version == zipVersion {
		return c.call(ctx, "CreateArtifact", req, reply)
	}
	body, err := json.Marshal(req)
	if err != nil {
		return false, err
	}
	err = c.try(ctx, "CreateArtifact", body, reply)
	var said *serviceError
	switch {
	case err == nil:
		return false, nil
	case refusesFiles(err):
		return true, err
	case errors.As(err, &said) && said.kind() != nil:
		return false, fmt.Errorf("artifact: CreateArtifact: %w: %w", said.kind(), err)
	}
	_, err = c.call(ctx, "CreateArtifact", req, reply)
	return true, err
}

func refusesFiles(err error) bool {
	var said *serviceError
	return errors.As(err, &said) && said.kind() == nil && (said.status == http.StatusBadRequest || said.status == http.StatusInternalServerError)
}

// hide has the signature of an address masked, raw and as it stands in the address.
func (c *Client) hide(u *url.URL) {
	if sig := u.Query().Get("sig"); sig != "" {
		c.secrets(sig)
		c.secrets(url.QueryEscape(sig))
	}
}

func (c *Client) fill(ctx context.Context, t target, name string, r io.Reader, o UploadOptions) (Artifact, error) {
	if t.zipped {
		zipped := zipOf(name, r)
		defer zipped.Close()
		r = zipped
	}
	sum, size, err := c.blocks(ctx, t, r, o.Progress)
	if err != nil {
		return Artifact{}, err
	}
	digest := "sha256:" + hex.EncodeToString(sum)
	var reply finalizeReply
	retried, err := c.call(ctx, "FinalizeArtifact", finalizeRequest{ids: ids{c.run, c.job}, Name: name, Size: number(size), Hash: digest}, &reply)
	if err != nil && !retried {
		return Artifact{}, err
	}
	held, listErr := c.find(ctx, name)
	switch {
	case err != nil && listErr != nil:
		return Artifact{}, err
	case listErr != nil:
		return Artifact{}, fmt.Errorf("artifact: %s was uploaded, but the service does not list it: %w", name, listErr)
	case held.Size != size:
		return Artifact{}, fmt.Errorf("artifact: %w: %d bytes were sent, the service holds %d", ErrDigest, size, held.Size)
	case held.Digest != "" && held.Digest != digest:
		return Artifact{}, fmt.Errorf("artifact: %w: %s was sent, the service holds %s", ErrDigest, digest, held.Digest)
	}
	if err == nil && !reply.OK {
		return Artifact{}, errors.New("artifact: FinalizeArtifact: the service did not accept the upload")
	}
	if reply.ID != 0 {
		held.ID = int64(reply.ID)
	}
	held.Digest, held.Zipped = digest, t.zipped
	return held, nil
}

// blocks sends r in blocks and commits their list; the hash and size are of the bytes sent.
func (c *Client) blocks(ctx context.Context, t target, r io.Reader, progress func(int64)) ([]byte, int64, error) {
	client, err := c.blobClient(t.url)
	if err != nil {
		return nil, 0, err
	}
	limit := parallel
	if t.inOrder {
		limit = 1
	}
	group, sending := errgroup.WithContext(ctx)
	s := &sender{c: c, client: client, progress: progress, free: make(chan []byte, limit), hash: sha256.New()}
	for range limit {
		s.free <- nil
	}
	if _, err := rand.Read(s.salt[:]); err != nil {
		return nil, 0, err
	}
	err = s.cut(sending, group, r)
	if sendErr := group.Wait(); sendErr != nil {
		err = sendErr
	}
	if err != nil {
		return nil, 0, err
	}
	kind := rawMIME
	if t.zipped {
		kind = zipMIME
	}
	err = c.tries(ctx, "block list", func(ctx context.Context) error {
		_, err := client.CommitBlockList(ctx, s.list, &blockblob.CommitBlockListOptions{HTTPHeaders: &blob.HTTPHeaders{BlobContentType: &kind}})
		return err
	})
	return s.hash.Sum(nil), s.size, err
}

func (c *Client) blobClient(address string) (*blockblob.Client, error) {
	client, err := blockblob.NewClientWithNoCredential(address, &blockblob.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: c.http, Retry: policy.RetryOptions{MaxRetries: -1}, // tries counts them
	}})
	if err != nil {
		return nil, errors.New("artifact: the address to upload to cannot be used")
	}
	return client, nil
}

// sender cuts a stream into blocks and sends them.
type sender struct {
	c        *Client
	client   *blockblob.Client
	free     chan []byte // buffers; nil is one that was not made yet
	salt     [12]byte
	list     []string
	hash     hash.Hash
	size     int64
	mu       sync.Mutex
	sent     int64
	progress func(int64)
}

func (s *sender) cut(ctx context.Context, group *errgroup.Group, r io.Reader) error {
	for {
		var buf []byte
		select {
		case buf = <-s.free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if buf == nil {
			buf = make([]byte, blockSize)
		}
		n, err := io.ReadFull(r, buf)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return fmt.Errorf("artifact: read what is to be uploaded: %w", err)
		}
		if n == 0 {
			return nil // an empty list makes an empty blob
		}
		if len(s.list) == maxBlocks {
			return fmt.Errorf("artifact: more than %d GiB cannot be uploaded", maxBlocks*blockSize>>30)
		}
		block := buf[:n]
		id := s.id(len(s.list))
		s.list = append(s.list, id)
		s.hash.Write(block)
		s.size += int64(n)
		group.Go(func() error {
			err := s.c.tries(ctx, "block", func(ctx context.Context) error {
				_, err := s.client.StageBlock(ctx, id, streaming.NopCloser(bytes.NewReader(block)), nil)
				return err
			})
			if err != nil {
				return err
			}
			s.done(int64(len(block)))
			s.free <- buf
			return nil
		})
		if last {
			return nil
		}
	}
}

func (s *sender) done(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += n
	if s.progress != nil {
		s.progress(s.sent)
	}
}

// id is of one length for all blocks, and random for the upload: servers keep blocks of several uploads under their ids.
func (s *sender) id(n int) string {
	var b [16]byte
	copy(b[:], s.salt[:])
	binary.BigEndian.PutUint32(b[12:], uint32(n))
	return base64.StdEncoding.EncodeToString(b[:])
}

// tries calls do until it succeeds, up to five times, each bounded by the time a block may stand still.
func (c *Client) tries(ctx context.Context, what string, do func(context.Context) error) error {
	for n := 0; ; n++ {
		once, cancel := context.WithTimeoutCause(ctx, c.stall, ErrStalled)
		err := do(once)
		if err != nil && ctx.Err() == nil && errors.Is(context.Cause(once), ErrStalled) {
			err = ErrStalled
		}
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err = c.blobError(what, err)
		if n == blockTries-1 || errors.Is(err, ErrExpired) || errors.Is(err, ErrQuota) {
			return err
		}
		if err := c.wait(ctx, backoff(n)); err != nil {
			return err
		}
	}
}

// blobError tells the error of a transfer without the signed address that is in it.
func (c *Client) blobError(what string, err error) error {
	var said *azcore.ResponseError
	switch {
	case errors.Is(err, ErrStalled):
		return fmt.Errorf("artifact: %s: %w for %s", what, ErrStalled, c.stall)
	case errors.As(err, &said) && said.StatusCode == http.StatusForbidden:
		return fmt.Errorf("artifact: %s: %w (403 %s)", what, ErrExpired, said.ErrorCode)
	case errors.As(err, &said) && said.StatusCode == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("artifact: %s: %w (413)", what, ErrQuota)
	case errors.As(err, &said):
		return fmt.Errorf("artifact: %s: the store answered %d %s", what, said.StatusCode, said.ErrorCode)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("artifact: %s: %w", what, err)
}

// zipOf yields a zip with one stored entry. Closing it ends what writes it.
func zipOf(name string, r io.Reader) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() {
		z := zip.NewWriter(pw)
		w, err := z.CreateHeader(&zip.FileHeader{Name: strings.ReplaceAll(name, "/", "_"), Method: zip.Store})
		if err == nil {
			_, err = io.Copy(w, r)
		}
		if err == nil {
			err = z.Close()
		}
		pw.CloseWithError(err)
	}()
	return pr
}
