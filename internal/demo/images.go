package demo

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/client"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/org/promote-action/internal/demo/fault"
)

// sourceLabel holds the digest of the sources that an image was made from.
const sourceLabel = "dev.promote.demo.source"

// user runs the shop in its containers: nobody in particular, not root.
const user = 65532

// Build makes the images of the releases, one for every service of each, where the engine has not got them from the same
// sources already. The shop is compiled once; images are FROM scratch and share their only layer.
func Build(ctx context.Context, engine client.APIClient, log Log, releases ...Release) error {
	for _, r := range releases {
		if err := r.check(); err != nil {
			return err
		}
	}
	source, err := sourceDigest()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	var missing []Release
	for _, r := range releases {
		if !present(ctx, engine, r, source) {
			missing = append(missing, r)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	log("compiling the shop")
	version, err := engine.ServerVersion(ctx)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	binary, err := compile(ctx, version.Arch)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	var tags []string
	for _, r := range missing {
		tags = append(tags, r.Tag())
	}
	log("loading the images of release %s", strings.Join(tags, ", "))
	archive, err := imageArchive(binary, version.Arch, source, missing)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return load(ctx, engine, archive)
}

// present reports whether the engine has every image of r, made from source.
func present(ctx context.Context, engine client.APIClient, r Release, source string) bool {
	for _, service := range Services() {
		info, err := engine.ImageInspect(ctx, r.Image(service))
		if err != nil || info.Config == nil {
			return false
		}
		labels := info.Config.Labels
		if labels[sourceLabel] != source || labels[ocispec.AnnotationRevision] != r.commit() {
			return false
		}
	}
	return true
}

func load(ctx context.Context, engine client.APIClient, archive io.Reader) error {
	res, err := engine.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("demo: load images: %w", err)
	}
	defer res.Body.Close()
	if err := messages(res.Body, func(string) {}); err != nil {
		return fmt.Errorf("demo: load images: %w", err)
	}
	return nil
}

// commit is the source's revision.
func (r Release) commit() string {
	if r.Commit != "" {
		return r.Commit
	}
	sum := sha1.Sum([]byte("shop " + r.Tag()))
	return hex.EncodeToString(sum[:])
}

// imageArchive is what docker save would write for the images of the releases. The same input gives the same bytes, so
// the images have the same ids wherever they are made.
func imageArchive(binary []byte, arch, source string, releases []Release) (io.Reader, error) {
	layer, err := rootLayer(binary)
	if err != nil {
		return nil, err
	}
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	layerID := digest.FromBytes(layer)
	layerFile := layerID.Encoded() + "/layer.tar"
	files := map[string][]byte{layerFile: layer}
	order := []string{layerFile}
	var manifest []entry
	for _, r := range releases {
		for _, service := range Services() {
			config, err := json.Marshal(imageConfig(r, service, arch, source, layerID))
			if err != nil {
				return nil, err
			}
			name := digest.FromBytes(config).Encoded() + ".json"
			files[name] = config
			order = append(order, name)
			manifest = append(manifest, entry{name, []string{r.Image(service)}, []string{layerFile}})
		}
	}
	index, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	files["manifest.json"] = index
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range append(order, "manifest.json") {
		if err := add(w, &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}, files[name]); err != nil {
			return nil, err
		}
	}
	return &out, w.Close()
}

// imageConfig is the configuration of the image of one service.
func imageConfig(r Release, service, arch, source string, layer digest.Digest) ocispec.Image {
	created := time.Date(2026, time.January, r.Number, 12, 0, 0, 0, time.UTC)
	env := []string{"SHOP_RELEASE=" + strconv.Itoa(r.Number), "SHOP_VERSION=" + strconv.Itoa(r.Number), "SHOP_COMMIT=" + r.commit()}
	if r.Fault.In(service) || service == "migrate" && r.Fault != fault.None { // it decides which migrations there are
		env = append(env, "SHOP_FAULT="+string(r.Fault))
	}
	return ocispec.Image{
		Created:  &created,
		Platform: ocispec.Platform{OS: "linux", Architecture: arch},
		Config: ocispec.ImageConfig{
			User:         fmt.Sprintf("%d:%d", user, user),
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
			Env:          env,
			Entrypoint:   []string{"/shop"},
			Cmd:          []string{service},
			WorkingDir:   "/",
			Labels: map[string]string{
				Label:                        "1",
				sourceLabel:                  source,
				ocispec.AnnotationTitle:      "shop " + service,
				ocispec.AnnotationVersion:    strconv.Itoa(r.Number),
				ocispec.AnnotationRevision:   r.commit(),
				ocispec.AnnotationCreated:    created.Format(time.RFC3339),
				"dev.promote.demo.fault":     string(r.Fault),
				"dev.promote.demo.component": service,
			},
		},
		RootFS:  ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer}},
		History: []ocispec.History{{Created: &created, CreatedBy: "promote demo"}},
	}
}

// rootLayer is the file system of every image: the executable and folders that its user may write to.
func rootLayer(binary []byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, dir := range []string{"tmp/", "uploads/"} {
		if err := add(w, &tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, Uid: user, Gid: user}, nil); err != nil {
			return nil, err
		}
	}
	if err := add(w, &tar.Header{Name: "shop", Mode: 0o755, Size: int64(len(binary))}, binary); err != nil {
		return nil, err
	}
	return out.Bytes(), w.Close()
}

func add(w *tar.Writer, h *tar.Header, data []byte) error {
	h.ModTime = time.Unix(1767225600, 0)
	h.Format = tar.FormatUSTAR
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// sourceDigest changes with everything that the images are made from.
func sourceDigest() (string, error) {
	root, err := sourceRoot()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version())
	for _, dir := range []string{"internal/demo/shop", "internal/demo/fault"} {
		err := fs.WalkDir(os.DirFS(root), dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			data, err := os.ReadFile(filepath.Join(root, path))
			fmt.Fprintln(h, path, len(data))
			h.Write(data)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	images, err := os.ReadFile(filepath.Join(root, "internal", "demo", "images.go"))
	h.Write(images)
	return hex.EncodeToString(h.Sum(nil))[:16], err
}
