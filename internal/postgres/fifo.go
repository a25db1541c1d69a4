package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const pipeBytes = 1 << 20

func makeFIFO(path string) error {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return fmt.Errorf("make pipe %s: %w", path, err)
	}
	return nil
}

// readFIFO runs tool, which writes to the pipe at path, and gives read what it writes. The end of the stream is seen only
// after the tool has ended, however it ended; it is killed when read fails. The tool's error comes before read's.
func readFIFO(ctx context.Context, path string, tool func(context.Context) error, read func(io.Reader) error) error {
	if err := makeFIFO(path); err != nil {
		return err
	}
	defer os.Remove(path)
	r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	hold, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0) // no end of stream before the tool has opened the pipe
	if err != nil {
		return err
	}
	growPipe(r)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		err := tool(ctx)
		_ = hold.Close()
		ended <- err
	}()
	readErr := read(r)
	if readErr != nil {
		cancel()
	}
	toolErr := <-ended
	if readErr != nil && errors.Is(toolErr, context.Canceled) {
		toolErr = nil // we did that
	}
	return errors.Join(toolErr, readErr)
}

// openForWriting waits until a program reads the pipe at path, or until ended is closed.
func openForWriting(path string, ended <-chan struct{}) (*os.File, error) {
	for {
		w, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err == nil {
			growPipe(w)
			return w, nil
		}
		if !errors.Is(err, unix.ENXIO) {
			return nil, err
		}
		select {
		case <-ended:
			return nil, io.ErrClosedPipe
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// growPipe spares context switches; the default of 64 KiB works as well.
func growPipe(f *os.File) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeBytes) })
}

// fifoWriter feeds one program through a pipe. A program that stops reading is no error of the writer: the program's own
// end tells.
type fifoWriter struct {
	file  *os.File
	err   error // of the program, after done is closed
	done  chan struct{}
	early bool // the program stopped reading
}

// writeFIFO starts tool, which reads the pipe at path.
func writeFIFO(ctx context.Context, path string, tool func(context.Context) error) (*fifoWriter, error) {
	if err := makeFIFO(path); err != nil {
		return nil, err
	}
	w := &fifoWriter{done: make(chan struct{})}
	go func() {
		w.err = tool(ctx)
		close(w.done)
	}()
	file, err := openForWriting(path, w.done)
	if errors.Is(err, io.ErrClosedPipe) {
		w.early = true
		return w, nil
	}
	if err != nil {
		return nil, err
	}
	w.file = file
	return w, nil
}

func (w *fifoWriter) Write(p []byte) (int, error) {
	if w.early {
		return len(p), nil
	}
	_, err := w.file.Write(p)
	if errors.Is(err, unix.EPIPE) {
		w.early = true
		return len(p), nil
	}
	return len(p), err
}

// finish ends the stream and returns how the program ended.
func (w *fifoWriter) finish() error {
	if w.file != nil {
		_ = w.file.Close()
	}
	<-w.done
	return w.err
}
