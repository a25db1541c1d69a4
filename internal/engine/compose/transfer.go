package compose

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/engine"
)

// Save streams the images that refs name, with the layers they share once, into w as a `docker save` archive.
func (e *Engine) Save(ctx context.Context, refs []string, w io.Writer) error {
	r, err := e.api.ImageSave(ctx, refs)
	if err != nil {
		return notFound(fmt.Errorf("save images: %w", err))
	}
	defer r.Close()
	if _, err := io.Copy(w, r); err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	return nil
}

// LoadImage loads a `docker save` archive, compressed or not, and returns the IDs and names that the engine reports.
func (e *Engine) LoadImage(ctx context.Context, r io.Reader) ([]string, error) {
	res, err := e.api.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	if err != nil {
		return nil, fmt.Errorf("load images: %w", err)
	}
	defer res.Body.Close()
	text, err := readMessages(res.Body, nil)
	if err != nil {
		return nil, fmt.Errorf("load images: %w", err)
	}
	var out []string
	for line := range strings.Lines(text) {
		for _, prefix := range []string{"Loaded image ID: ", "Loaded image: "} {
			if ref, ok := strings.CutPrefix(strings.TrimSpace(line), prefix); ok {
				out = append(out, ref)
			}
		}
	}
	return out, nil
}

// Transfer brings images from one engine to another and returns source ID → ID there; the two differ only where the
// engines keep images in different kinds of stores. Images that are there already are not moved. It proves that each
// has arrived, by its ID or else by its layers. Progress counts bytes of uncompressed images.
func Transfer(ctx context.Context, src *Engine, ids []string, dst *Engine, onProgress func(engine.Progress)) (map[string]string, error) {
	out := map[string]string{}
	var missing []string
	var total int64
	for _, id := range ids {
		if _, ok := out[id]; ok || slices.Contains(missing, id) {
			continue
		}
		ok, err := dst.HasImage(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("transfer: %w", err)
		}
		if ok {
			out[id] = id
			continue
		}
		img, err := src.Image(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("transfer: %w", err)
		}
		missing = append(missing, id)
		total += img.Size
	}
	if len(missing) == 0 {
		return out, nil
	}
	loaded, err := stream(ctx, src, missing, dst, total, onProgress)
	if err != nil {
		return nil, fmt.Errorf("transfer: %w", err)
	}
	for _, id := range missing {
		there, err := arrived(ctx, src, id, dst, loaded)
		if err != nil {
			return nil, fmt.Errorf("transfer: %w", err)
		}
		out[id] = there
	}
	return out, nil
}

func stream(ctx context.Context, src *Engine, ids []string, dst *Engine, total int64, onProgress func(engine.Progress)) ([]string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pr, pw := io.Pipe()
	go func() {
		err := src.Save(ctx, ids, pw)
		pw.CloseWithError(err) // nil is the end of the stream
		if err != nil {
			cancel(err)
		}
	}()
	loaded, err := dst.LoadImage(ctx, &counter{r: pr, total: total, onProgress: onProgress})
	pr.CloseWithError(io.ErrClosedPipe)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return loaded, err
}

// arrived finds the image at its destination.
func arrived(ctx context.Context, src *Engine, id string, dst *Engine, loaded []string) (string, error) {
	if ok, err := dst.HasImage(ctx, id); err != nil || ok {
		return id, err
	}
	want, err := src.Image(ctx, id)
	if err != nil {
		return "", err
	}
	for _, ref := range loaded {
		got, err := dst.Image(ctx, ref)
		if err == nil && slices.Equal(got.Layers, want.Layers) && got.Arch == want.Arch {
			return got.ID, nil
		}
	}
	return "", fmt.Errorf("image %s was sent but is not there (engine %s loaded %v)", short(id), dst.host, loaded)
}

// counter reports what passes through it, a few times a second.
type counter struct {
	r          io.Reader
	n, total   int64
	last       time.Time
	onProgress func(engine.Progress)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.onProgress != nil && (time.Since(c.last) > 200*time.Millisecond || err != nil) {
		c.last = time.Now()
		c.onProgress(engine.Progress{Text: "moving images", Current: c.n, Total: max(c.total, c.n)})
	}
	return n, err
}
