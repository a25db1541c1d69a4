package demo

import (
	"archive/tar"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/durable"
	"github.com/org/promote-action/internal/process"
)

//go:embed postgres
var postgresFiles embed.FS

// pullStart is how long a registry may take until it delivers something.
const pullStart = 10 * time.Second

// suites are the Debian releases with a major version of PostgreSQL.
func suites() map[int]string { return map[int]string{15: "bookworm", 17: "trixie", 18: "sid"} }

// EnsurePostgres returns the name of an image with PostgreSQL of the given major version: an official one that the engine
// has, one that this function made before, one that it can pull, or one that it makes now from Debian's packages, which
// takes minutes, once, and needs root and debootstrap. Processes that need it at the same time wait for each other.
func EnsurePostgres(ctx context.Context, engine client.APIClient, major int, log Log) (string, error) {
	if ref, err := localPostgres(ctx, engine, major); ref != "" || err != nil {
		return ref, err
	}
	held, err := lock(ctx, fmt.Sprintf("promote-demo-postgres-%d.lock", major), log)
	if err != nil {
		return "", err
	}
	defer held.Close()
	if ref, err := localPostgres(ctx, engine, major); ref != "" || err != nil {
		return ref, err
	}
	official := "postgres:" + strconv.Itoa(major)
	log("pulling %s", official)
	pullErr := pull(ctx, engine, official, pullStart)
	if pullErr == nil {
		return official, nil
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	log("no image %s to pull: %v", official, pullErr)
	ref := ownPostgres(major)
	if err := buildPostgres(ctx, engine, major, ref, log); err != nil {
		return "", fmt.Errorf("demo: PostgreSQL %d image: %w", major, err)
	}
	return ref, nil
}

func ownPostgres(major int) string { return "promote-demo/postgres:" + strconv.Itoa(major) }

// localPostgres is a name that the engine has, or "".
func localPostgres(ctx context.Context, engine client.APIClient, major int) (string, error) {
	list, err := engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(
		filters.Arg("reference", fmt.Sprintf("postgres:%d*", major)), filters.Arg("reference", ownPostgres(major)),
	)})
	if err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	var official []string
	own := ""
	for _, summary := range list {
		for _, tag := range summary.RepoTags {
			if tag == ownPostgres(major) {
				own = tag
			} else if strings.HasPrefix(tag, "postgres:") {
				official = append(official, tag)
			}
		}
	}
	if len(official) > 0 {
		return slices.Min(official), nil
	}
	return own, nil
}

// pull gets an image, and gives up when the registry delivered nothing within patience.
func pull(ctx context.Context, engine client.APIClient, ref string, patience time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(patience, func() { cancel(fmt.Errorf("no answer in %s", patience)) })
	defer silent.Stop()
	stream, err := engine.ImagePull(ctx, ref, image.PullOptions{})
	if err == nil {
		err = messages(stream, func(line string) {
			if strings.Contains(line, "fs layer") || strings.HasPrefix(line, "Downloading") {
				silent.Stop()
			}
		})
		stream.Close()
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// buildPostgres makes the image from Debian's packages: a minimal system by debootstrap, PostgreSQL on top.
func buildPostgres(ctx context.Context, engine client.APIClient, major int, ref string, log Log) error {
	suite, ok := suites()[major]
	if !ok {
		return errors.New("no Debian release known that has it; there are 15, 17 and 18")
	}
	log("building the PostgreSQL %d image from Debian's packages: about two minutes, once", major)
	base := "promote-demo/debian:" + suite
	if _, err := engine.ImageInspect(ctx, base); err != nil {
		if err := importDebian(ctx, engine, suite, base, log); err != nil {
			return err
		}
	}
	log("installing PostgreSQL %d on it, about 40 s", major)
	files, err := buildContext()
	if err != nil {
		return err
	}
	from, version := base, strconv.Itoa(major)
	args := map[string]*string{"BASE": &from, "MAJOR": &version}
	for _, key := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if v := os.Getenv(key); v != "" {
			args[key] = &v
		}
	}
	res, err := engine.ImageBuild(ctx, files, build.ImageBuildOptions{
		Tags: []string{ref}, BuildArgs: args, NetworkMode: "host", Remove: true, ForceRemove: true, Version: build.BuilderV1,
	})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var tail process.Tail
	if err := messages(res.Body, func(line string) { fmt.Fprintln(&tail, line) }); err != nil {
		return fmt.Errorf("%w\n%s", err, tail.String())
	}
	log("PostgreSQL %d is there as %s", major, ref)
	return nil
}

// importDebian makes the base image of a suite.
func importDebian(ctx context.Context, engine client.APIClient, suite, ref string, log Log) error {
	work, err := os.MkdirTemp("", "promote-debian-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	script, err := postgresFiles.ReadFile("postgres/rootfs.sh")
	if err != nil {
		return err
	}
	path := filepath.Join(work, "rootfs.sh")
	if err := os.WriteFile(path, script, 0o700); err != nil {
		return err
	}
	log("debootstrap of Debian %s, about 50 s", suite)
	_, err = process.Output(ctx, process.Command{Path: "bash", Args: []string{path, suite, work}, Dir: work})
	var failed *process.Error
	if errors.As(err, &failed) && failed.Code == 3 {
		return errors.New(failed.Tail) // what to install
	}
	if err != nil {
		return err
	}
	root, err := os.Open(filepath.Join(work, "root.tar"))
	if err != nil {
		return err
	}
	defer root.Close()
	stream, err := engine.ImageImport(ctx, image.ImportSource{Source: root, SourceName: "-"}, ref, image.ImportOptions{})
	if err != nil {
		return err
	}
	defer stream.Close()
	return messages(stream, func(string) {})
}

// buildContext is the tar of the Dockerfile and the entry point.
func buildContext() (io.Reader, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, mode := range map[string]int64{"Dockerfile": 0o644, "docker-entrypoint.sh": 0o755} {
		data, err := postgresFiles.ReadFile("postgres/" + name)
		if err != nil {
			return nil, err
		}
		if err := add(w, &tar.Header{Name: name, Mode: mode, Size: int64(len(data))}, data); err != nil {
			return nil, err
		}
	}
	return &out, w.Close()
}

// lock takes a lock between processes of this machine.
func lock(ctx context.Context, name string, log Log) (*durable.Lock, error) {
	path := filepath.Join(os.TempDir(), name)
	for waiting := false; ; waiting = true {
		l, err := durable.TryLock(path)
		if !errors.Is(err, durable.ErrLocked) {
			return l, err
		}
		if !waiting {
			log("waiting for another process that builds the PostgreSQL image")
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
	}
}
