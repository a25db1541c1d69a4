package redact

import (
	"io"
	"sync"
)

// Writer masks secrets on their way to another writer. It holds back only what may be the beginning of a secret: never a
// whole line, and never more than the longest secret. It may be used by several goroutines.
type Writer struct {
	redactor *Redactor
	to       io.Writer
	mu       sync.Mutex
	buffer   []byte
	covered  int // bytes of the buffer whose mask is written already
}

// Writer returns a Writer to w. Close it to write what it holds back.
func (r *Redactor) Writer(w io.Writer) *Writer { return &Writer{redactor: r, to: w} }

// Write implements io.Writer. It reports all of p as written unless the other writer fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buffer = append(w.buffer, p...)
	if err := w.flush(false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what was held back. It does not close the other writer, and more may be written after it.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush(true)
}

func (w *Writer) flush(all bool) error {
	w.redactor.mu.RLock()
	cut := len(w.buffer)
	if !all {
		cut = w.redactor.held(w.buffer)
	}
	out, covered := w.redactor.mask(nil, w.buffer, cut, w.covered)
	w.redactor.mu.RUnlock()
	w.buffer, w.covered = append(w.buffer[:0], w.buffer[cut:]...), covered
	if len(out) == 0 {
		return nil
	}
	_, err := w.to.Write(out)
	return err
}
