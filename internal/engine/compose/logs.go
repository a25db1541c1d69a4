package compose

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"golang.org/x/sync/errgroup"
)

// Logs returns the last lines (all when tail is 0) that a container wrote since then, both streams as they came.
func (e *Engine) Logs(ctx context.Context, id string, tail int, since time.Time) ([]string, error) {
	opts := container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: "all"}
	if tail > 0 {
		opts.Tail = strconv.Itoa(tail)
	}
	if !since.IsZero() {
		opts.Since = since.Format(time.RFC3339Nano)
	}
	var lines []string
	err := e.streamLogs(ctx, id, opts, func(line string) { lines = append(lines, line) })
	return lines, err
}

// FollowLogs copies what the containers write from since on to w, a whole line at a time and each behind its
// container's name, until they all have ended or ctx has.
func (e *Engine) FollowLogs(ctx context.Context, ids []string, since time.Time, w io.Writer) error {
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	for _, id := range ids {
		g.Go(func() error {
			in, err := e.api.ContainerInspect(gctx, id)
			if err != nil {
				return notFound(fmt.Errorf("logs of %s: %w", short(id), err))
			}
			prefix := strings.TrimPrefix(in.Name, "/") + " | "
			opts := container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true, Tail: "all"}
			if !since.IsZero() {
				opts.Since = since.Format(time.RFC3339Nano)
			}
			var werr error
			err = e.streamLogs(gctx, id, opts, func(line string) {
				mu.Lock()
				defer mu.Unlock()
				if _, err := io.WriteString(w, prefix+line+"\n"); err != nil {
					werr = err
				}
			})
			if werr != nil {
				return werr
			}
			return err
		})
	}
	err := g.Wait()
	if ctx.Err() != nil {
		return nil // to be cancelled is how following ends
	}
	return err
}

func (e *Engine) streamLogs(ctx context.Context, id string, opts container.LogsOptions, onLine func(string)) error {
	in, err := e.api.ContainerInspect(ctx, id)
	if err != nil {
		return notFound(fmt.Errorf("logs of %s: %w", short(id), err))
	}
	r, err := e.api.ContainerLogs(ctx, id, opts)
	if err != nil {
		return fmt.Errorf("logs of %s: %w", short(id), err)
	}
	defer r.Close()
	lw := &lineWriter{onLine: onLine}
	defer lw.flush()
	if in.Config != nil && in.Config.Tty {
		_, err = io.Copy(lw, bufio.NewReader(r))
	} else {
		// A writer for each stream: a line of one may not be cut by the other.
		errs := &lineWriter{onLine: onLine}
		defer errs.flush()
		_, err = stdcopy.StdCopy(lw, errs, bufio.NewReader(r))
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("logs of %s: %w", short(id), err)
	}
	return ctx.Err()
}

// maxLine bounds the memory that a line without an end can take.
const maxLine = 64 << 10

// lineWriter hands on whole lines, without their end and without a carriage return.
type lineWriter struct {
	onLine func(string)
	buf    []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.buf = append(l.buf, p...)
	for {
		i := bytes.IndexByte(l.buf, '\n')
		if i < 0 && len(l.buf) < maxLine {
			return len(p), nil
		}
		end := i + 1
		if i < 0 {
			i, end = len(l.buf), len(l.buf)
		}
		l.onLine(strings.TrimSuffix(string(l.buf[:i]), "\r"))
		l.buf = append(l.buf[:0], l.buf[end:]...)
	}
}

func (l *lineWriter) flush() {
	if len(l.buf) > 0 {
		l.onLine(strings.TrimSuffix(string(l.buf), "\r"))
		l.buf = nil
	}
}
