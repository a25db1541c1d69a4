package compose

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/klauspost/compress/gzip"
)

// ErrNotRunnable is an executable that cannot run in a container of a Linux engine.
var ErrNotRunnable = errors.New("the executable cannot run in a Linux container")

// executableLabel holds the checksum of the executable that an image was made from.
const executableLabel = "dev.promote.executable"

// certificates are the places where systems keep the bundle of certificate authorities.
var certificates = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}

// epoch dates every file, so that the same executable gives the same image.
var epoch = time.Unix(0, 0).UTC()

// LoadExecutable makes an image of one executable, which becomes /promote and its entrypoint, and returns its name:
// name:CHECKSUM. An image of the same executable is used again. The system's certificates come along, and when the
// executable is dynamically linked the libraries that this process uses; for that it must be this process's own.
func (e *Engine) LoadExecutable(ctx context.Context, exe, name string, labels map[string]string) (string, error) {
	sum, err := fileSum(exe)
	if err != nil {
		return "", fmt.Errorf("executable image: %w", err)
	}
	ref := name + ":" + sum[:16]
	if img, err := e.Image(ctx, ref); err == nil && img.Labels[executableLabel] == sum {
		return ref, nil
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("executable image: %w", err)
	}
	info, err := e.Info(ctx)
	if err != nil {
		return "", fmt.Errorf("executable image: %w", err)
	}
	if info.OS != "linux" || info.Arch != runtime.GOARCH {
		return "", fmt.Errorf("executable image: %w: the engine is %s/%s, the executable %s; use the published image", ErrNotRunnable, info.OS, info.Arch, runtime.GOARCH)
	}
	files, dynamic, err := imageFiles(exe)
	if err != nil {
		return "", fmt.Errorf("executable image: %w", err)
	}
	all := map[string]string{executableLabel: sum}
	for k, v := range labels {
		all[k] = v
	}
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(writeImage(pw, ref, files, all, dynamic, !e.Local())) }()
	_, err = e.LoadImage(ctx, pr)
	pr.CloseWithError(io.ErrClosedPipe)
	if err != nil {
		return "", fmt.Errorf("executable image: %w", err)
	}
	return ref, nil
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// imageFile is one file of an image.
type imageFile struct {
	name string // without a leading slash
	from string // path here
	mode int64
}

// writeImage writes a `docker save` archive with one layer; compressed when it has far to go.
func writeImage(w io.Writer, ref string, files []imageFile, labels map[string]string, dynamic, compress bool) error {
	measure := &measured{h: sha256.New()}
	if err := writeLayer(measure, files); err != nil {
		return err
	}
	diffID := "sha256:" + hex.EncodeToString(measure.h.Sum(nil))
	config, err := json.Marshal(imageConfig(diffID, labels, dynamic))
	if err != nil {
		return err
	}
	configName := hex.EncodeToString(sum256(config)) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": []string{ref}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	if compress {
		z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		defer z.Close()
		if err := writeArchive(z, configName, config, manifest, measure.n, files); err != nil {
			return err
		}
		return z.Close()
	}
	return writeArchive(w, configName, config, manifest, measure.n, files)
}

func writeArchive(w io.Writer, configName string, config, manifest []byte, layerSize int64, files []imageFile) error {
	tw := tar.NewWriter(w)
	for _, f := range []struct {
		name string
		data []byte
	}{{configName, config}, {"manifest.json", manifest}} {
		if err := tw.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: 0o644, ModTime: epoch}); err != nil {
			return err
		}
		if _, err := tw.Write(f.data); err != nil {
			return err
		}
	}
	if err := tw.WriteHeader(&tar.Header{Name: "layer.tar", Size: layerSize, Mode: 0o644, ModTime: epoch}); err != nil {
		return err
	}
	if err := writeLayer(tw, files); err != nil {
		return err
	}
	return tw.Close()
}

func imageConfig(diffID string, labels map[string]string, dynamic bool) map[string]any {
	env := []string{"PATH=/"}
	if dynamic {
		env = append(env, "GODEBUG=netdns=go") // the C library would want modules that it opens by name
	}
	return map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": epoch,
		"config":  map[string]any{"Entrypoint": []string{"/promote"}, "Env": env, "Labels": labels, "WorkingDir": "/"},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{diffID}},
		"history": []any{map[string]any{"created": epoch, "created_by": "promote"}},
	}
}

func writeLayer(w io.Writer, files []imageFile) error {
	tw := tar.NewWriter(w)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777, ModTime: epoch}); err != nil {
		return err
	}
	for _, f := range files {
		if err := addFile(tw, f); err != nil {
			return err
		}
	}
	return tw.Close()
}

func addFile(tw *tar.Writer, f imageFile) error {
	in, err := os.Open(f.from)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: f.name, Size: st.Size(), Mode: f.mode, ModTime: epoch}); err != nil {
		return err
	}
	_, err = io.CopyN(tw, in, st.Size())
	return err
}

// measured is a writer that only counts and sums up.
type measured struct {
	h hash.Hash
	n int64
}

func (m *measured) Write(p []byte) (int, error) {
	m.n += int64(len(p))
	return m.h.Write(p)
}

func sum256(data []byte) []byte {
	s := sha256.Sum256(data)
	return s[:]
}
