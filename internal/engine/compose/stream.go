package compose

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"

	"github.com/org/promote-action/internal/process"
)

// Stream is the standard input and output of a process in a container, as a connection: Read gives its standard output,
// Write goes to its standard input. It lives until Close, not as long as the context it was opened with. One goroutine
// may read while another writes.
type Stream struct {
	net.Conn
	raw    types.HijackedResponse
	r      *bufio.Reader
	left   int  // bytes of standard output still to come in the present frame
	tty    bool // without frames
	stderr process.Tail
	wait   func(context.Context) (int, error)
}

func newStream(raw types.HijackedResponse, tty bool, wait func(context.Context) (int, error)) *Stream {
	return &Stream{Conn: raw.Conn, raw: raw, r: bufio.NewReaderSize(raw.Reader, 64<<10), tty: tty, wait: wait}
}

// Exec starts argv in a running container with its input and output open.
func (e *Engine) Exec(ctx context.Context, id string, argv []string) (*Stream, error) {
	return e.ExecAs(ctx, id, "", argv)
}

// ExecAs is Exec as an account of the container, or as the container's own where it is empty.
func (e *Engine) ExecAs(ctx context.Context, id, account string, argv []string) (*Stream, error) {
	made, err := e.api.ContainerExecCreate(ctx, id, container.ExecOptions{User: account, Cmd: argv, AttachStdin: true, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return nil, notFound(fmt.Errorf("exec in %s: %w", short(id), err))
	}
	raw, err := e.api.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return nil, notFound(fmt.Errorf("exec in %s: %w", short(id), err))
	}
	return newStream(raw, false, func(ctx context.Context) (int, error) {
		for { // the end of the stream is not yet the end of the process
			in, err := e.api.ContainerExecInspect(ctx, made.ID)
			if err != nil {
				return -1, notFound(fmt.Errorf("exec in %s: %w", short(id), err))
			}
			if !in.Running {
				return in.ExitCode, nil
			}
			if err := sleep(ctx, 20*time.Millisecond); err != nil {
				return -1, err
			}
		}
	}), nil
}

// Attach joins the input and output of a container; do it before the start to miss nothing.
func (e *Engine) Attach(ctx context.Context, id string) (*Stream, error) {
	in, err := e.api.ContainerInspect(ctx, id)
	if err != nil {
		return nil, notFound(fmt.Errorf("attach to %s: %w", short(id), err))
	}
	raw, err := e.api.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: in.Config.OpenStdin, Stdout: true, Stderr: true})
	if err != nil {
		return nil, fmt.Errorf("attach to %s: %w", short(id), err)
	}
	return newStream(raw, in.Config.Tty, func(ctx context.Context) (int, error) {
		return e.exitCode(ctx, id, container.WaitConditionNotRunning)
	}), nil
}

func (e *Engine) exitCode(ctx context.Context, id string, c container.WaitCondition) (int, error) {
	waits, errs := e.api.ContainerWait(ctx, id, c)
	select {
	case w := <-waits:
		if w.Error != nil {
			return int(w.StatusCode), fmt.Errorf("wait for %s: %s", short(id), w.Error.Message)
		}
		return int(w.StatusCode), nil
	case err := <-errs:
		return -1, notFound(fmt.Errorf("wait for %s: %w", short(id), err))
	}
}

// Read returns standard output; what comes on standard error meanwhile is kept for Stderr.
func (s *Stream) Read(p []byte) (int, error) {
	if s.tty {
		return s.r.Read(p)
	}
	for s.left == 0 {
		var head [8]byte // stream, three zeros, length
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			return 0, err
		}
		size := int(binary.BigEndian.Uint32(head[4:]))
		switch head[0] {
		case 0, 1:
			s.left = size
		case 2:
			if _, err := io.CopyN(&s.stderr, s.r, int64(size)); err != nil {
				return 0, err
			}
		case 3:
			text, _ := io.ReadAll(io.LimitReader(s.r, int64(min(size, 4096))))
			return 0, fmt.Errorf("engine: %s", text)
		default:
			return 0, fmt.Errorf("engine: stream %d is unknown", head[0])
		}
	}
	if len(p) > s.left {
		p = p[:s.left]
	}
	n, err := s.r.Read(p)
	s.left -= n
	return n, err
}

// CloseWrite ends the process's standard input; its output can still be read.
func (s *Stream) CloseWrite() error { return s.raw.CloseWrite() }

// Close drops the connection. A process that does not read its input is not ended by that.
func (s *Stream) Close() error { return s.Conn.Close() }

// Stderr is the end of what the process wrote to its standard error, as far as Read has come; call it after the reading.
func (s *Stream) Stderr() string { return s.stderr.String() }

// Wait returns the exit code once the process has ended.
func (s *Stream) Wait(ctx context.Context) (int, error) { return s.wait(ctx) }
