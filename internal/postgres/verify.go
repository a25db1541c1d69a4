package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// ErrDamaged is a dump that cannot be restored, or is not the one that was written.
var ErrDamaged = errors.New("dump is damaged")

// DumpCheck is what a full decode of a dump found.
type DumpCheck struct {
	RawBytes  int64         `json:"raw_bytes"`
	Bytes     int64         `json:"bytes"`
	SHA256    string        `json:"sha256"`
	TableData int           `json:"table_data"` // entries with the rows of a table
	Duration  time.Duration `json:"duration"`
}

// VerifyDump decodes the whole dump in r as a restore would, without a server, and compares it with want, of which zero
// fields are not compared. A dump that is cut, altered, or another one is ErrDamaged.
func VerifyDump(ctx context.Context, tools Tools, r io.Reader, want DumpInfo) (DumpCheck, error) {
	started := time.Now()
	check, err := verify(ctx, tools, r, want)
	check.Duration = time.Since(started)
	if err != nil {
		return check, fmt.Errorf("verify dump: %w", err)
	}
	return check, nil
}

func verify(ctx context.Context, tools Tools, r io.Reader, want DumpInfo) (check DumpCheck, err error) {
	work, err := newWorkspace(tools.Dir())
	if err != nil {
		return check, err
	}
	defer work.remove()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := &countingReader{r: r, hash: sha256.New()}
	dec, err := zstd.NewReader(in)
	if err != nil {
		return check, err
	}
	defer dec.Close()
	// Both programs read the same bytes; the one that lists stops after the table of contents.
	start := func(name string, args ...string) (*fifoWriter, error) {
		return writeFIFO(ctx, work.path(name), func(ctx context.Context) error {
			return tools.Run(ctx, Tool{Program: "pg_restore", Env: []string{"LC_ALL=C"}, Args: append(args, work.path(name))})
		})
	}
	full, err := start("full", "-Fc", "--file=/dev/null")
	if err != nil {
		return check, err
	}
	list, err := start("list", "-Fc", "--list", "--file="+work.path("contents"))
	if err != nil {
		cancel()
		return check, errors.Join(err, full.finish())
	}
	var copyErr error
	check.RawBytes, copyErr = io.CopyBuffer(io.MultiWriter(full, list), onlyReader{dec}, make([]byte, pipeBytes))
	if copyErr != nil {
		cancel() // what was decoded so far must not be taken for an archive
		_, _ = full.finish(), list.finish()
		if context.Cause(ctx) != nil && errors.Is(copyErr, context.Canceled) {
			return check, copyErr
		}
		return check, fmt.Errorf("%w: decompress after %d bytes: %w", ErrDamaged, check.RawBytes, copyErr)
	}
	fullErr, listErr := full.finish(), list.finish()
	if ctx.Err() != nil {
		return check, context.Cause(ctx)
	}
	if err := errors.Join(fullErr, listErr); err != nil {
		return check, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	check.Bytes, check.SHA256 = in.n, hex.EncodeToString(in.hash.Sum(nil))
	contents, err := os.ReadFile(work.path("contents"))
	if err != nil {
		return check, err
	}
	check.TableData = len(tableData.FindAll(contents, -1))
	return check, check.compare(want, string(contents))
}

// An entry of pg_restore --list: its number; OIDs; description, schema, name and owner.
var (
	tableData = regexp.MustCompile(`(?m)^\d+; \d+ \d+ TABLE DATA `)
	blobs     = regexp.MustCompile(`(?m)^\d+; \d+ \d+ BLOBS `)
)

func (c DumpCheck) compare(want DumpInfo, contents string) error {
	var wrong []string
	if want.Bytes != 0 && c.Bytes != want.Bytes {
		wrong = append(wrong, fmt.Sprintf("%d bytes, %d were written", c.Bytes, want.Bytes))
	}
	if want.SHA256 != "" && c.SHA256 != want.SHA256 {
		wrong = append(wrong, fmt.Sprintf("SHA-256 %s, was %s", c.SHA256, want.SHA256))
	}
	if want.RawBytes != 0 && c.RawBytes != want.RawBytes {
		wrong = append(wrong, fmt.Sprintf("%d bytes decompressed, was %d", c.RawBytes, want.RawBytes))
	}
	if want.SHA256 != "" && c.TableData != want.TableData { // zero tables are compared as well
		wrong = append(wrong, fmt.Sprintf("rows of %d tables, the database had %d", c.TableData, want.TableData))
	}
	if want.LargeObjects > 0 && !blobs.MatchString(contents) {
		wrong = append(wrong, fmt.Sprintf("no large objects, the database had %d", want.LargeObjects))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %s", ErrDamaged, strings.Join(wrong, "; "))
	}
	return nil
}
