package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

const backupName = "staging-backup-20260131-235959"

// ways are the options under which nothing may differ in what is accepted.
func ways(t testing.TB) map[string]Options {
	return map[string]Options{"plain": {}, "encrypted": {Recipients: []age.Recipient{newKey(t).Recipient()}}}
}

// refused receives a stream that must not become a backup, in both ways, and returns why.
func refused(t *testing.T, what string, data []byte) error {
	t.Helper()
	var why error
	for way, opt := range ways(t) {
		parent := filepath.Join(t.TempDir(), "backups")
		_, err := Receive(t.Context(), bytes.NewReader(data), parent, backupName, opt)
		if err == nil {
			t.Errorf("%s, %s: accepted", what, way)
			continue
		}
		if left := names(t, parent); len(left) != 0 {
			t.Errorf("%s, %s: left %q", what, way, left)
		}
		if beside := names(t, filepath.Dir(parent)); len(beside) != 1 {
			t.Errorf("%s, %s: left beside: %q", what, way, beside)
		}
		why = err
	}
	return why
}

// rewrite passes every entry of a tar through change, which may drop it by returning false, and appends extra ones.
func rewrite(t *testing.T, data []byte, change func(h *tar.Header) bool, extra ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(data)), tar.NewWriter(&out)
	put := func(h *tar.Header, content []byte) {
		h.Size = int64(len(content))
		h.Format = tar.FormatPAX
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if change(h) {
			put(h, content)
		}
	}
	for _, h := range extra {
		put(&h, nil)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestHostileStreams(t *testing.T) {
	data := stream(t, makeBackup(t, t.TempDir(), "staging", taken), "backup")
	all := func(*tar.Header) bool { return true }
	if got := rewrite(t, data, all); len(got) == 0 {
		t.Fatal("the sample cannot be rewritten")
	}
	for _, h := range []tar.Header{
		{Name: "../outside", Typeflag: tar.TypeReg},
		{Name: "backup/../../outside", Typeflag: tar.TypeReg},
		{Name: "/outside", Typeflag: tar.TypeReg},
		{Name: "outside", Typeflag: tar.TypeReg},
		{Name: "backup/../outside/x", Typeflag: tar.TypeReg},
		{Name: "../outside/", Typeflag: tar.TypeDir},
		{Name: "backup/link", Typeflag: tar.TypeSymlink, Linkname: "/etc"},
		{Name: "backup/link", Typeflag: tar.TypeLink, Linkname: "backup/metrics.json"},
		{Name: "backup/pipe", Typeflag: tar.TypeFifo},
		{Name: "backup/device", Typeflag: tar.TypeChar},
		{Name: "backup/extra", Typeflag: tar.TypeReg},
		{Name: "backup/metrics.json", Typeflag: tar.TypeReg},
		{Name: "backup/metrics.json/below", Typeflag: tar.TypeReg},
		{Name: "backup/" + manifestName, Typeflag: tar.TypeReg},
		{Name: "backup/" + originalName, Typeflag: tar.TypeReg},
	} {
		_ = refused(t, fmt.Sprintf("%q %c", h.Name, h.Typeflag), rewrite(t, data, all, h))
	}
	for _, lost := range []string{"backup/" + manifestName, "backup/" + checksumName, "backup/metrics.json", "backup/databases/main.dump.zst"} {
		err := refused(t, "without "+lost, rewrite(t, data, func(h *tar.Header) bool { return h.Name != lost }))
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("without %s: %v", lost, err)
		}
	}
	altered := bytes.Replace(data, []byte(secret), []byte(strings.ToLower(secret)), 1)
	if err := refused(t, "altered", altered); !strings.Contains(fmt.Sprint(err), "configuration/staging.env: found sha256") {
		t.Errorf("the altered file is not named: %v", err)
	}
	err := refused(t, "renamed", rewrite(t, data, func(h *tar.Header) bool {
		h.Name = strings.Replace(h.Name, "metrics", "metrics2", 1)
		return true
	}))
	if !strings.Contains(fmt.Sprint(err), "metrics.json: found nothing") {
		t.Errorf("the missing file is not named: %v", err)
	}
}

// Wherever the stream is cut or changed, either nothing was lost or nothing is kept.
func TestStreamsCutAndChanged(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	data := stream(t, makeBackup(t, t.TempDir(), "staging", taken), "backup")
	parent := t.TempDir()
	key := newKey(t)
	encrypted := false
	try := func(what string, data []byte) {
		var opt Options
		if encrypted = !encrypted; encrypted {
			opt.Recipients = []age.Recipient{key.Recipient()}
		}
		got, err := Receive(t.Context(), bytes.NewReader(data), parent, backupName, opt)
		if err != nil {
			if left := names(t, parent); len(left) != 0 {
				t.Fatalf("%s: left %q", what, left)
			}
			return
		}
		if err := errors.Join(got.Unlock(key), got.Verify(t.Context()), sameContents(got)); err != nil {
			t.Fatalf("%s: kept, and yet: %v", what, err)
		}
		if err := os.RemoveAll(got.Dir); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		at := r.IntN(len(data))
		try(fmt.Sprintf("cut at %d", at), data[:at])
		bad := bytes.Clone(data)
		at = r.IntN(len(data))
		bad[at] ^= 1 << r.IntN(8)
		try(fmt.Sprintf("flipped at %d", at), bad)
	}
	for at := 0; at < len(data); at += 512 * 7 { // at block borders a cut leaves a tar that looks ended
		try(fmt.Sprintf("cut at %d", at), data[:at])
	}
}
